"""`faults`: count what became of the durable messages of a test that harms processes, and keep the counts.

A test names what it has done, and hands in the ids of what it sent. `make chaos` has the counts written
into the file `FAULTS`, and `tests.chaos.page` makes a page of them.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.db import connection

from deferred_signals.outbox.models import OutboxMessage
from tests.app.models import Run

from .nodes import Broker, LocalRedis

#: What a message may ask of its receiver that is no fault: the run raises, and its policy decides.
FAILURES = {"break_commit", "discard", "fail", "later"}

#: What ends the process of a run, so that the run itself never comes to its end.
DEATHS = {"kill", "kill_worker"}

#: What raises at first, and succeeds after a replay: a row of "failed" tells of each run that raised.
AT_FIRST = {"fail_until_told"}


class Count(NamedTuple):
    """What became of messages.

    Attributes:
        sent: how many there were.
        lost: how many of them ran to no end, are no dead letters, and were not discarded.
        repeated: effects that are there more than once, those aside of runs that raised by themselves.
        dead: dead letters.
    """

    sent: int
    lost: int
    repeated: int
    dead: int


class Faults:
    """What one test does to processes, and what that does to messages.

    Arguments:
        broker: the name of the broker.
        place: of the test: its file, and the line where it begins.
    """

    def __init__(self, broker: str, place: tuple[str, int]) -> None:
        self._broker, self._place = broker, place
        self._began = time.monotonic()
        self._counted = 0

    def count(self, fault: str, pool: str, **sent: Collection[str]) -> dict[str, Count]:
        """Count what became of messages of each receiver, and assert that none is lost.

        Arguments:
            fault: what was done, for readers of the table.
            pool: of the workers.
            sent: the ids of what was sent to each receiver, by its short name.
        """
        found = {receiver: count_of(receiver, ids) for receiver, ids in sent.items()}
        for receiver, counts in found.items():
            self._counted += 1
            write(
                place=[*self._place, self._counted],
                fault=fault,
                receiver=receiver,
                database=name_of_database(),
                broker=self._broker,
                pool=pool,
                seconds=round(time.monotonic() - self._began, 1),
                **counts._asdict(),
            )
        assert {receiver: counts.lost for receiver, counts in found.items()} == dict.fromkeys(
            sent, 0
        )
        return found


def count_of(receiver: str, ids: Collection[str]) -> Count:
    """Count what became of messages to one receiver, all of which have ended."""
    assert not OutboxMessage.objects.filter(pk__in=ids, dead_at=None).exists()
    wanted = set(ids)
    failed = Counter(Run.objects.filter(receiver="failed").values_list("message_id", flat=True))
    effects: Counter[str] = Counter()
    raised: Counter[str] = Counter()
    ended: set[str] = set()
    for id_, payload in Run.objects.filter(receiver=receiver).values_list("message_id", "payload"):
        does = payload.get("does")
        if id_ not in wanted or payload.get("what") == "begins" or does in FAILURES:
            continue
        effects[id_] += 1
        if does in AT_FIRST and receiver != "atomic":  # whose effect is rolled back then
            raised[id_] = failed[id_]
        if does not in DEATHS:
            ended.add(id_)
    dead = {
        str(id_) for id_ in OutboxMessage.objects.filter(pk__in=ids).values_list("pk", flat=True)
    }
    discarded = set(Run.objects.filter(receiver="discarded").values_list("message_id", flat=True))
    return Count(
        sent=len(wanted),
        lost=len(wanted - ended - dead - discarded),
        repeated=effects.total() - len(effects) - raised.total(),
        dead=len(dead),
    )


def name_of_database() -> str:
    """Return the name of the test's database, as people write it."""
    if connection.vendor == "mysql":
        return "MariaDB" if getattr(connection, "mysql_is_mariadb", False) else "MySQL"
    return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[connection.vendor]


def name_of_broker(node: Broker) -> str:
    """Return the name of a broker, as people write it."""
    return "Redis" if isinstance(node, LocalRedis) else "RabbitMQ"


def write(**line: Any) -> None:
    """Keep a line for the page, where that is made. Several processes write, each a line at a time."""
    if path := os.environ.get("FAULTS"):
        test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].rpartition(" ")[0]
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps({'test': test, **line})}\n")


@pytest.fixture
def faults(node: Broker, request: pytest.FixtureRequest) -> Faults:
    """Count what became of messages; each test that asks for this is run by `make chaos`."""
    file, line, _name = request.node.location
    return Faults(name_of_broker(node), (file, line))
