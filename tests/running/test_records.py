"""What the log has of messages that fail in each way: fields with names and ids, and no values."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import Discard, Retry
from deferred_signals.sending.undeferred import report_undeferred
from deferred_signals.support.records import KEYS
from tests.support.connected import Connected, deferred

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "swordfish"
#: What `logging` itself puts on a record.
USUAL = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record has beside what each record of Python's has."""
    return {key: value for key, value in vars(record).items() if key not in USUAL}


def test_no_field_is_one_of_a_records_own() -> None:
    assert USUAL.isdisjoint(KEYS)
    assert all(key.startswith("deferred_") for key in KEYS)


@pytest.mark.usefixtures("eager")
def test_records_of_runs_have_the_documented_fields_and_no_values(
    signal: Signal,
    defer: Connected,
    configure: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(EAGER_PROPAGATES=False)
    policy = Retry(max_attempts=2, wait_initial=0, wait_jitter=0)

    @defer(signal, name="tests.fails", retry=policy)
    def fail(sender: object, **kwargs: object) -> None:
        raise LookupError

    @defer(signal, name="tests.discards")
    def discard(sender: object, **kwargs: object) -> None:
        raise Discard("too late")

    with caplog.at_level(logging.DEBUG, "deferred_signals"):
        first, second = deferred(signal.send(None, card=SECRET))
    assert [fields(record) for record in caplog.records] == [
        told("retrying", "tests.fails", first.id, 1),
        told("failed", "tests.fails", first.id, 2),
        told("discarded", "tests.discards", second.id, 1),
    ]
    assert SECRET not in caplog.text
    assert SECRET not in repr([vars(record) for record in caplog.records])


def told(event: str, receiver: str, message_id: str, *attempt: int) -> dict[str, object]:
    """Make the fields of a record."""
    return dict(zip(KEYS, (event, receiver, message_id, *attempt), strict=False))


@pytest.mark.usefixtures("broker_away", "no_store")
def test_records_of_messages_that_do_not_leave_have_the_documented_fields_and_no_values(
    signal: Signal, defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    defer(signal, name="tests.stays")(lambda sender, **kwargs: None)
    with transaction.atomic():
        one, two = (deferred(signal.send(None, card=SECRET))[0] for _ in range(2))
    records = [record for record in caplog.records if record.name == "deferred_signals"]
    assert [fields(record) for record in records] == [
        told("lost", "tests.stays", one.id),
        told("lost", "tests.stays", two.id),
    ]
    assert SECRET not in caplog.text


def test_record_of_a_call_that_is_not_deferred_has_the_documented_fields_and_no_values(
    signal: Signal, caplog: pytest.LogCaptureFixture
) -> None:
    report_undeferred("tests.told", signal, LookupError(SECRET))
    (record,) = caplog.records
    assert fields(record) == {"deferred_event": "undeferred", "deferred_receiver": "tests.told"}
    assert SECRET not in caplog.text
