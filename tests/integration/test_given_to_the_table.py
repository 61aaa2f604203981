"""What workers give to the table in commit delivery: messages that wait for long, and dead letters."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import transaction

from deferred_signals.outbox.models import OutboxMessage
from tests.app.fault_receivers import asks_for_later, is_killed, never_succeeds
from tests.app.late_receivers import runs_late
from tests.project.celery import app
from tests.support.processes import wait_until

from .durable import SETTINGS, wait_for_empty_outbox
from .nodes import Broker, needs_local_broker
from .queues import waiting
from .runs import defer, runs, wait_for_runs
from .workers import worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

ENVIRONMENT = {
    "DEFERRED_SIGNALS": json.dumps(SETTINGS),
    "TESTS_APP_MODULES": "tests.app.late_receivers",
}
CAME = {
    "schema": "blue",
    "inner": "00-1-2-01",
    "priority": 3,
    "queue": "aside",
    "compression": "application/x-gzip",
    "limits": [30, 20],
}


def wait_for_rows(count: int, **filters: object) -> list[OutboxMessage]:
    found = OutboxMessage.objects.filter(**filters)
    wait_until(lambda: found.count() >= count, 20, f"{count} rows with {filters}")
    return list(found)


def make_due() -> None:
    """Let the waits be over now."""
    OutboxMessage.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))


@pytest.mark.each_database
@pytest.mark.usefixtures("store")
def test_long_waits_are_rows_and_messages_run_as_they_came(broker: Broker, tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with worker(broker, tmp_path, options=("-Q", "celery,aside"), **ENVIRONMENT):
        later = defer(asks_for_later, after=3600)
        late = defer(runs_late, seconds=3600)
        rows = {str(row.id): row for row in wait_for_rows(2)}
        assert {id_: row.attempt for id_, row in rows.items()} == {later: 1, late: 0}
        for row in rows.values():
            assert row.due_at is not None
            assert row.woken_at is None
            assert timedelta(hours=1) <= row.due_at - began < timedelta(hours=1, minutes=1)
        assert "RetryLater" in rows[later].error
        assert not waiting(app)
        assert not waiting(app, "aside")
        assert [run.message_id for run in runs()] == [later]
        make_due()
        wait_for_empty_outbox()
    assert [(run.attempt, run.message_id) for run in runs(receiver="asks_for_later")] == [
        (1, later),
        (2, later),
    ]
    (ran,) = runs(receiver="runs_late")
    assert ran.message_id == late
    assert {**ran.payload, "retries": 0} == {**CAME, "retries": 0}


@pytest.mark.each_database
def test_messages_that_are_given_up_leave_dead_letters(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, options=("-Q", "celery,aside"), **ENVIRONMENT):
        failed = defer(never_succeeds)
        with transaction.atomic():
            _, killed, _ = [defer(is_killed, times=times) for times in (0, 9, 0)]
        wait_for_runs(2, 40, receiver="failed")
        rows = {str(row.id): row for row in wait_for_rows(2, due_at=None)}
    assert {id_: row.attempt for id_, row in rows.items()} == {failed: 3, killed: 2}
    assert all(row.dead_at is not None for row in rows.values())
    assert "ConnectionError" in rows[failed].error
    assert "WorkerLostError" in rows[killed].error
    assert {run.message_id for run in runs(receiver="failed")} == rows.keys()
