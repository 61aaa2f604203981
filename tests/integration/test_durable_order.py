"""Messages of one key, on several workers: in their order, never at once, and in nobody's way."""

import random
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from deferred_signals.outbox.models import OutboxMessage
from tests.app.durable_receivers import in_turn
from tests.app.models import Run

from .durable import dead_letters, environment, many, usually_on, wait_for_empty_outbox
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import defer, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

KEYS = [f"key {place}" for place in range(many(8, 20))]

#: Messages of each key, and workers with two children each.
ROWS, WORKERS = many(6, 15), many(2, 4)


def numbers_of(key: str) -> list[int]:
    """Return the numbers of a key's messages as they ran; each run has ended before the next began."""
    story = [run.payload for run in runs(receiver="in_turn", payload__key=key)]
    assert [step["what"] for step in story] == ["begins", "ends"] * (len(story) // 2)
    numbers: list[int] = [step["number"] for step in story]
    assert numbers == sorted(numbers)
    return numbers


def test_rows_of_one_key_run_in_their_order_and_never_at_once(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    chance = random.Random(7)
    ids = []
    with ExitStack() as workers:
        for place in range(WORKERS):
            workers.enter_context(
                worker(broker, tmp_path, f"worker{place}", ("-c", "2"), **environment())
            )
        for number in range(ROWS):
            for key in KEYS:
                fails = int(chance.random() < 0.2)
                ids.append(defer(in_turn, key=key, number=number, fails=fails))
        wait_for_empty_outbox()
    assert [set(numbers_of(key)) for key in KEYS] == [set(range(ROWS))] * len(KEYS)
    fault = f"{WORKERS} workers; one in five runs fails; {len(KEYS)} keys of {ROWS} messages"
    faults.count(f"ordered_by: {fault}", "prefork, 2 children", in_turn=ids)


@usually_on("redis")
def test_thousands_of_rows_behind_a_retry_hold_up_no_other_key(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    """Four workers, each with a relay; the first of the long line run."""
    behind, ran = many(2000, 10_000), many(100, 1000)
    # Relays set each of the rows on once a lease, so it is longer where they are many.
    variables = environment(OUTBOX={"LEASE": many(2, 20), "RELAY_INTERVAL": 0.5})
    with transaction.atomic():
        first = defer(in_turn, key="long", number=0, fails=0, later=600)
        for number in range(1, behind):
            in_turn.send(None, key="long", number=number, fails=int(number % 50 == 0))
    with (
        worker(broker, tmp_path, "one", **variables) as one,
        worker(broker, tmp_path, "two", **variables) as two,
        worker(broker, tmp_path, "three", **variables) as three,
        worker(broker, tmp_path, "four", **variables) as four,
    ):
        wait_for_runs(2, 60, message_id=first, receiver="in_turn")
        others = [
            defer(in_turn, key=key, number=number, fails=0) for number in range(3) for key in KEYS
        ]
        wait_for_runs(2 * 3 * len(KEYS), 60, payload__key__in=KEYS)
        assert Run.objects.filter(payload__key="long").count() == 2  # it holds the others up
        OutboxMessage.objects.filter(pk=first).update(due_at=timezone.now())
        wait_for_runs(2 * (1 + ran + ran // 50), 120, payload__key="long")
        received = sum(one.logs().count("] received") for one in (one, two, three, four))
        OutboxMessage.objects.filter(claimed_by=None).delete()
        wait_for_empty_outbox()
    assert [numbers_of(key) for key in KEYS] == [[0, 0, 1, 1, 2, 2]] * len(KEYS)
    assert set(numbers_of("long")) >= set(range(ran))
    assert received <= 2 * (behind + 3 * len(KEYS))
    assert not dead_letters()
    fault = f"ordered_by: {behind:,} messages of one key wait behind a retry; the other keys"
    faults.count(fault, "4 workers, prefork, 1 child", in_turn=others)
