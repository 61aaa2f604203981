"""Durable messages on real workers: what is committed runs, and failures are tried again or buried."""

from pathlib import Path

import pytest
from django.db import transaction

from deferred_signals.outbox.models import OutboxMessage

from .durable import attempts_of, dead_letters, environment, send, wait_for_empty_outbox
from .nodes import Broker, needs_local_broker
from .runs import runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

both = pytest.mark.parametrize("kind", ["plain", "atomic"])


@both
def test_committed_messages_run_once(kind: str, broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **environment()):
        with transaction.atomic():
            ids = [send(kind) for _ in range(20)]
        ids.append(send(kind))
        wait_for_runs(21, receiver=kind)
        wait_for_empty_outbox()
    assert sorted(run.message_id for run in runs(receiver=kind)) == sorted(ids)


@both
def test_failures_are_tried_again_and_buried(kind: str, broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **environment()):
        recovers, never, dropped = (
            send(kind, "fail", times=2), send(kind, "fail", times=9), send(kind, "discard", times=1)
        )  # fmt: skip
        later = send(kind, "later", times=1, after=1)
        wait_for_runs(1, receiver="failed")
        wait_for_runs(1, receiver="discarded")
        wait_for_empty_outbox()
    stays = kind == "plain"
    assert attempts_of(recovers, kind) == ([1, 2, 3] if stays else [3])
    assert attempts_of(never, kind) == ([1, 2, 3] if stays else [])
    assert attempts_of(dropped, kind) == ([1] if stays else [])
    assert attempts_of(later, kind) == ([1, 2] if stays else [2])
    assert dead_letters() == {never: 3}
    assert "ConnectionError" in OutboxMessage.objects.get().error
