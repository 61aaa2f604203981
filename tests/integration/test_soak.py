"""Mixed traffic while processes are killed, stopped and cut off; a ledger accounts for each message.

All soaks together take `SOAK` seconds, 20 by default. `SEED` repeats one.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from deferred_signals.outbox.models import OutboxMessage
from tests.app.models import Label, Run, Sent
from tests.app.soak_receivers import KEYS
from tests.project.celery import app
from tests.support.processes import wait_until

from .cuts import OTHERS
from .durable import environment
from .faults import name_of_broker, name_of_database, write
from .kept_workers import is_at_rest
from .nodes import Broker, LocalRedis, needs_local_broker
from .queues import waiting
from .soak_harm import WORKERS, Harm
from .soak_ledger import LOST, SILENT, UNANSWERED, Known, dead, effects, fate_of, told_in

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: Harms after which no message is missing without a trace, whatever its delivery and its broker.
TOLD = (
    "kill_child",
    "kill_relay",
    "end_worker",
    "stop_worker",
    "stop_sender",
    "stop_broker",
    "cut_senders",
    "cut_database",
)

#: The same, if the broker keeps what it has until a worker acknowledges it. Redis does not.
TOLD_ON_RABBITMQ = (*TOLD, "kill_worker", "kill_broker", "cut_workers")

HARMS = {
    ("redis", "all"): (*TOLD_ON_RABBITMQ, "kill_sender"),
    ("rabbitmq", "all"): (*TOLD_ON_RABBITMQ, "kill_sender"),
    ("redis", "told"): TOLD,
    ("rabbitmq", "told"): TOLD_ON_RABBITMQ,
}

SOAKS = list(HARMS) if os.environ.get("CHAOS") else [("redis", "all")]

#: Seconds of each soak, before what is left is run.
SECONDS = float(os.environ.get("SOAK") or 20) / len(SOAKS)

#: Redis redelivers after some seconds what a worker has taken and not acknowledged.
VARIABLES = environment() | {
    "TESTS_APP_MODULES": "tests.app.durable_receivers tests.app.soak_receivers",
    "TESTS_MAX_ATTEMPTS": "20",
    "TRANSPORT_OPTIONS": '{"visibility_timeout": 10}',
}


def is_drained(node: Broker) -> bool:
    """Tell whether nothing is left that could run."""
    try:
        if waiting(app) or OutboxMessage.objects.filter(dead_at=None).exists():
            return False
        if isinstance(node, LocalRedis):
            with node.client as client:
                if client.hlen("unacked"):
                    return False
        return all(is_at_rest(app, f"celery@{name}") for name in WORKERS)
    except (OperationalError, RedisError, OSError):
        return False


@pytest.mark.parametrize(("node", "profile"), SOAKS, indirect=["node"])
def test_each_message_of_a_soak_ran_or_is_accounted_for(
    broker: Broker, profile: str, tmp_path: Path
) -> None:
    drawn = random.SystemRandom().randrange(10**6) if "CHAOS" in os.environ else 1
    seed = int(os.environ.get("SEED") or drawn)
    print(f"SEED={seed} repeats what was drawn.")  # noqa: T201 - for a soak that fails
    Label.objects.bulk_create([Label(name=key) for key in KEYS])
    ledger = tmp_path / "ledger"
    harm = Harm(broker, tmp_path, seed, VARIABLES | {"LEDGER": str(ledger)})
    try:
        harm.start(senders=2)
        harm.go_on(harms_of(broker, profile), SECONDS)
        harm.end_senders()
        wait_until(lambda: is_drained(broker) and is_drained(broker), 300, "all is through")
    finally:
        harm.end()
        print(harm.logs())  # noqa: T201 - the same
    counted, ended = effects()
    known = Known(
        effects=counted,
        ended=ended,
        dead=dead(),
        told=told_in(ledger),
        killed=harm.killed,
        done=harm.done,
        is_redis=isinstance(broker, LocalRedis),
    )
    fates = reconcile(known)
    write(
        soak=profile,
        broker=name_of_broker(broker),
        database=name_of_database(),
        seed=seed,
        seconds=SECONDS,
        done={name: len(moments) for name, moments in harm.done.items()},
        undone=len(known.told["undone"]),
        fates=fates,
    )
    assert "durable messages are written after" not in harm.logs()
    if profile == "told":
        assert SILENT & set().union(*fates.values()) <= {UNANSWERED}


def harms_of(broker: Broker, profile: str) -> list[str]:
    """Return what is done in a soak; SQLite has no connections to cut."""
    harms = HARMS["redis" if isinstance(broker, LocalRedis) else "rabbitmq", profile]
    return [name for name in harms if name != "cut_database" or connection.vendor in OTHERS]


def reconcile(known: Known) -> dict[str, Counter[str]]:
    """Account for each message; return how many of each kind had each fate.

    What was committed ran, or the table of guarantees explains why it did not. What was rolled back never
    ran. Atomic effects are there once, ordered messages ran in their order, and nothing is dead that ran.
    """
    sent = {one.message_id: one for one in Sent.objects.all()}
    fates = {id_: fate_of(one, known) for id_, one in sent.items()}
    assert [sent[id_] for id_, fate in fates.items() if fate == LOST] == []
    assert known.effects.keys() <= sent.keys()
    of_atomic = {id_ for id_, one in sent.items() if one.kind == "atomic"}
    assert {known.effects[id_] for id_ in of_atomic - known.dead} <= {1}
    assert {known.effects[id_] for id_ in of_atomic & known.dead} <= {0}
    told = set(Run.objects.filter(receiver="succeeded").values_list("message_id", flat=True))
    assert not told & known.dead
    for key in KEYS:
        assert_in_order(key)
    found: dict[str, Counter[str]] = {}
    for id_, one in sent.items():
        of_kind = found.setdefault(one.kind, Counter())
        of_kind[fates[id_]] += 1
        of_kind["repeated"] += max(0, known.effects[id_] - 1)
    return found


def assert_in_order(key: str) -> None:
    """Assert that no message of a key began before the one before had ended, at least once."""
    numbers = list(Sent.objects.filter(key=key).values_list("number", flat=True).order_by("number"))
    assert numbers == [*range(len(numbers))]
    through = -1
    for run in Run.objects.filter(receiver="in_turn", payload__key=key).order_by("pk"):
        number, what = run.payload["number"], run.payload["what"]
        if what == "begins":
            assert number <= through + 1
        elif "does" not in run.payload or run.payload["does"] is None:
            through = max(through, number)
