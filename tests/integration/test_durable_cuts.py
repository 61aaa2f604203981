"""The database cuts all connections of the workers, again and again, while durable messages run."""

import time
from pathlib import Path

import pytest
from django.db import connection, transaction

from deferred_signals.outbox.models import OutboxMessage

from .cuts import OTHERS, cut, others
from .durable import KINDS, dead_letters, effects_of, environment, many, send
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

#: Seconds between two cuts.
PAUSE = 0.35


@pytest.mark.each_database
def test_cut_repeats_the_effects_of_one_run_at_most(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    if connection.vendor not in OTHERS:
        pytest.skip("SQLite has no connections to cut.")
    count = many(15, 300)
    # On a busy machine, several runs of one message may be cut.
    patient = environment() | {"TESTS_MAX_ATTEMPTS": "20"}
    with worker(broker, tmp_path, options=("-c", "2"), **patient):
        with transaction.atomic():
            ids = {kind: [send(kind, "sleep", times=1, seconds=0.03) for _ in range(count)]
                   for kind in KINDS}  # fmt: skip
        cuts = ended = 0
        deadline = time.monotonic() + many(60, 300)
        while OutboxMessage.objects.filter(dead_at=None).exists():
            assert time.monotonic() < deadline
            found = others()
            cut(found)
            ended += len(found)
            cuts += 1
            time.sleep(PAUSE)
    assert cuts >= 3
    assert ended >= cuts // 2
    plain = effects_of(ids["plain"])
    assert min(plain.values()) == 1
    assert plain.total() - count <= cuts
    assert set(effects_of(ids["atomic"]).values()) == {1}
    assert not dead_letters()
    fault = f"all connections to the database are cut every {PAUSE} s"
    faults.count(fault, "prefork, 2 children", **ids)
