"""Operators' commands, as processes of their own, beside one another and beside workers."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from deferred_signals.outbox.models import OutboxMessage
from tests.app.models import Run
from tests.support.processes import Process, wait_until

from .durable import (
    KINDS,
    dead_letters,
    environment,
    many,
    send,
    usually_on,
    wait_for_empty_outbox,
)
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import command, worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]


@usually_on("rabbitmq")
def test_dead_letter_is_replayed_and_runs_or_is_purged(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """Two processes replay, and two purge meanwhile: each letter meets one of them, and none is lost."""
    count = many(50, 500)
    variables = environment() | {"TESTS_MAX_ATTEMPTS": "1"}
    (meet := tmp_path / "meet").mkdir()
    together = variables | {"TOGETHER": str(meet)}
    together["TESTS_APP_MODULES"] += " tests.app.together"
    acts = [("replay", "--all"), ("purge", "--older-than", "0s")] * 2
    with ExitStack() as stack:
        stack.enter_context(worker(broker, tmp_path, options=("-c", "2"), **variables))
        ids = {kind: [send(kind, "fail_until_told", times=1) for _ in range(count)]
               for kind in KINDS}  # fmt: skip
        wait_for_runs(len(KINDS) * count, 60, receiver="failed")
        assert len(dead_letters()) == len(KINDS) * count
        Run.log("mended")
        commands = [
            stack.enter_context(command(broker, tmp_path, f"act{place}", *act, **together))
            for place, act in enumerate(acts)
        ]
        for process in commands:
            process.start()
        wait_until(lambda: len([*meet.iterdir()]) == len(acts), 60, "all are there")
        (meet / "replay").touch()
        few = len(KINDS) * count // 3  # the letters of one kind are older than those of the other
        dead = OutboxMessage.objects.exclude(dead_at=None)
        wait_until(lambda: dead.count() <= few, 60, "letters of both kinds are replayed")
        (meet / "purge").touch()
        wait_until(lambda: not any(process.alive for process in commands), 60, "all have ended")
        told = [told_by(process) for process in commands]
        wait_for_empty_outbox()
        wait_for_runs(sum(told[::2]), 30, receiver="succeeded")
    assert not OutboxMessage.objects.exists()
    ran = [run.message_id for run in runs(receiver="succeeded")]
    assert len(set(ran)) == len(ran) == sum(told[::2])
    assert sum(told) == len(KINDS) * count
    assert all(sum(told[place::2]) for place in range(2))  # they did meet
    replayed = {kind: [id_ for id_ in ids[kind] if id_ in ran] for kind in KINDS}
    faults.count(
        "dead letters are replayed while others purge them", "prefork, 2 children", **replayed
    )


def told_by(process: Process) -> int:
    """Return how many dead letters a command has told of."""
    found = re.search(r"(?:Replayed|Purged) (\d+) dead letter", process.logs())
    assert process.exit_code == 0
    assert found is not None
    return int(found[1])
