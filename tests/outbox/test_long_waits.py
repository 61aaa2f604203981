"""Long waits of commit delivery are the table's: of a countdown, of a policy, and of `RetryLater`."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from celery.signals import task_retry
from django.db import connection
from django.dispatch import Signal

from deferred_signals import Retry, RetryLater
from deferred_signals.message.wakeup import WakeUp, is_wake_up
from deferred_signals.message.wire import unpack
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.publishing.stores import without_store
from deferred_signals.publishing.waits import HEADER, moment_of
from deferred_signals.running.outcomes import Failed, Retrying
from deferred_signals.worker.parking import PARKED
from deferred_signals.worker.rows import Rows
from tests.support.acting import Acting, raising
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.parents import Delivered

from .rows import Kept, database_away, is_set, logged, now, seconds

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("broker", "plugged"),
]

Configure = Callable[..., None]

OPTIONS: dict[str, Any] = {
    "priority": 3,
    "headers": {"tenant": "blue"},
    "time_limit": 30,
    "soft_time_limit": 20,
    "compression": "gzip",
}


def row() -> OutboxMessage:
    return OutboxMessage.objects.get()


def ask_for_later() -> None:
    raise RetryLater(after=3600)


def options_of(found: OutboxMessage) -> Any:
    return json.loads(found.options or "{}")


def wake_up_of(found: OutboxMessage) -> WakeUp:
    return WakeUp("default", str(found.id), found.attempt, 1.0)


# A countdown.


def test_long_countdown_leaves_at_once_and_says_when_it_is_due(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=3600, headers={"tenant": "blue"})(Acting())
    for celery_message in send_together(2):
        assert celery_message.headers["eta"] is None
        assert 3599 < celery_message.headers[HEADER]["due"] - time.time() < 3600.1
        assert celery_message.headers["tenant"] == "blue"


def test_each_commit_counts_its_countdown_for_itself(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=3600)(Acting())
    (first,) = send_together(1)
    (second,) = send_together(1)
    assert first.headers[HEADER]["due"] < second.headers[HEADER]["due"]


def test_short_countdown_stays_celerys(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=60)(Acting())
    (celery_message,) = send_together(1)
    eta = moment_of(celery_message.headers["eta"])
    assert eta is not None
    assert 59 < eta - time.time() < 60.1
    assert HEADER not in celery_message.headers


def test_worker_that_is_given_it_puts_it_into_the_table(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    acting = Acting()
    defer(signal, name="tests.later", countdown=3600, expires=7200, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    told = []
    task_retry.connect(listener := lambda reason, **kwargs: told.append(reason.when))
    began = now()
    assert celery_message.deliver() == "RETRY"
    task_retry.disconnect(listener)
    assert take_celery_messages() == []
    found = row()
    assert (str(found.id), found.receiver) == (celery_message.ids[0], "tests.later")
    assert found.payload == celery_message.wires[0]
    assert (found.attempt, found.woken_at, found.error) == (0, None, "")
    assert is_set(found.due_at, 3600, began, slack=2)
    assert is_set(found.expires_at, 7200, began, slack=2)
    assert told == [datetime.fromtimestamp(celery_message.headers[HEADER]["due"], UTC)]
    assert lifecycle.names == ["message_published"]
    assert acting.ran == []


def test_calls_of_a_chunk_become_a_row_each_with_limits_of_their_own(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, chunk_size=10, countdown=3600, time_limit=3)(Acting())
    (celery_message,) = send_together(4)
    assert celery_message.headers["timelimit"] == [12, None]
    assert celery_message.deliver() == "RETRY"
    found = OutboxMessage.objects.all()
    assert sorted(str(each.id) for each in found) == sorted(celery_message.ids)
    assert [options_of(each).get("time_limit") for each in found] == [None] * 4  # the receiver's


def test_message_that_comes_twice_is_one_row(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=3600)(Acting())
    (celery_message,) = send_together(1)
    assert celery_message.deliver() == "RETRY"
    before = row()
    assert celery_message.deliver(redelivered=True) == "RETRY"
    assert row().due_at == before.due_at
    assert take_celery_messages() == []


def test_database_that_is_away_leaves_the_wait_to_the_broker(
    signal: Signal,
    defer: Connected,
    send_together: SendTogether,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(LONGEST_WAIT=900)
    defer(signal, countdown=3600, **OPTIONS)(Acting())
    (celery_message,) = send_together(1)
    with database_away():
        assert celery_message.deliver() == "RETRY"
    connection.close()
    assert not OutboxMessage.objects.exists()
    (piece,) = take_celery_messages()
    eta = moment_of(piece.headers["eta"])
    assert eta is not None
    assert 899 < eta - time.time() < 900.1
    assert piece.headers[HEADER]["due"] == pytest.approx(celery_message.headers[HEADER]["due"])
    assert piece.headers["tenant"] == "blue"
    (told,) = logged(caplog)
    assert "wait in the broker" in told
    assert celery_message.ids[0] in told
    # The next worker that is given it finds the database again.
    assert piece.deliver() == "RETRY"
    assert row().due_at is not None


def test_worker_without_an_outbox_serves_the_wait_in_pieces(
    signal: Signal, defer: Connected, send_together: SendTogether, no_rows: None
) -> None:
    defer(signal, countdown=7200)(Acting())
    (celery_message,) = send_together(1)
    with without_store():
        assert celery_message.deliver() == "RETRY"
    (piece,) = take_celery_messages()
    assert piece.headers["eta"] is not None
    assert not OutboxMessage.objects.exists()


def test_wait_is_short_if_the_broker_bears_less(
    signal: Signal, defer: Connected, send_together: SendTogether, configure: Configure
) -> None:
    configure(LONGEST_WAIT=5)
    defer(signal, countdown=40)(Acting())
    (celery_message,) = send_together(1)
    assert celery_message.headers["eta"] is None
    assert celery_message.deliver() == "RETRY"
    assert row().due_at is not None


def test_message_with_a_call_that_is_none_waits_in_the_broker(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, chunk_size=10, countdown=3600)(Acting())
    (celery_message,) = send_together(2)
    broken = replace(celery_message, wires=(celery_message.wires[0], "forged"))
    assert broken.deliver() == "RETRY"
    (piece,) = take_celery_messages()
    assert piece.wires == broken.wires
    assert not OutboxMessage.objects.exists()


def test_parked_message_waits_in_the_table_as_its_receivers(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, name="tests.later", countdown=3600, **OPTIONS)(Acting())
    (celery_message,) = send_together(1)
    parked = CeleryMessage(
        PARKED,
        (celery_message.wires[0], time.time(), 1),  # type: ignore[arg-type]  # what parking adds
        {**celery_message.headers, "task": PARKED},
        celery_message.properties,
    )
    assert parked.deliver() == "RETRY"
    assert row().receiver == "tests.later"
    assert take_celery_messages() == []


def test_child_that_dies_before_it_has_written_the_row_leaves_the_wait_to_the_broker(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    """The parent's own thread must not wait for a database."""
    defer(signal, countdown=3600)(Acting())
    signal.send(None, number=1)
    piece = Delivered().lose_its_child()
    assert piece.headers["eta"] is not None
    assert not OutboxMessage.objects.exists()


# A wait for the next attempt.


@pytest.mark.parametrize("policy", ["the policy's wait", "RetryLater"])
def test_long_wait_for_the_next_attempt_is_a_row(
    signal: Signal,
    defer: Connected,
    send_together: SendTogether,
    lifecycle: Lifecycle,
    policy: str,
) -> None:
    error = RetryLater(after=3600) if policy == "RetryLater" else ConnectionError("no mail server")
    acting = Acting({0: raising(error)})
    retry = Retry(max_attempts=2, wait_initial=3600, wait_max=3600, wait_jitter=0)
    defer(signal, name="tests.later", retry=retry, expires=7200, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    began = now()
    assert celery_message.deliver() == "RETRY"
    assert take_celery_messages() == []
    found = row()
    assert str(found.id) == celery_message.ids[0]
    assert (found.attempt, found.woken_at, found.dead_at) == (1, None, None)
    assert unpack(found.payload).attempt == 2
    assert is_set(found.due_at, 3600, began, slack=2)
    assert is_set(found.expires_at, 7200, began, slack=2)
    assert f"{type(error).__name__}: {error}" in found.error
    assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [3600]
    assert lifecycle.of("receiver_failed") == []


def test_short_wait_for_the_next_attempt_stays_the_brokers(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal)(Acting({0: raising(RetryLater(after=60))}))
    (celery_message,) = send_together(1)
    assert celery_message.deliver() == "RETRY"
    assert len(take_celery_messages()) == 1
    assert not OutboxMessage.objects.exists()


def test_attempts_are_counted_through_the_table(kept: Kept, lifecycle: Lifecycle) -> None:
    function = kept.connect(ask_for_later, durable=False, retry=Retry(max_attempts=3))
    kept.signal.send(None, number=0)
    (celery_message,) = take_celery_messages()
    assert celery_message.deliver() == "RETRY"
    assert isinstance(kept.run(wake_up_of(row())), Retrying)
    assert isinstance(kept.run(wake_up_of(row())), Failed)
    assert len(function.runs) == 3
    assert row().dead_at is not None
    assert row().attempt == 3
    assert [told["message"].attempt for told in lifecycle.of("receiver_started")] == [1, 2, 3]


def test_timeout_of_the_policy_counts_from_the_send(kept: Kept) -> None:
    kept.connect(ask_for_later, durable=False, retry=Retry(max_attempts=None, timeout=5000))
    kept.signal.send(None)
    (celery_message,) = take_celery_messages()
    assert celery_message.deliver() == "RETRY"
    wake_up = wake_up_of(row())
    kept.change(wake_up, created_at=seconds(-3600))
    outcome = kept.run(wake_up)
    assert isinstance(outcome, Failed)
    assert "timeout of 5000 s" in outcome.reason


def test_call_of_a_chunk_waits_alone(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting({1: ask_for_later})
    defer(signal, chunk_size=10, time_limit=3)(acting)
    (celery_message,) = send_together(3)
    assert celery_message.deliver() == "SUCCESS"
    assert acting.ran == [0, 1, 2]
    assert str(row().id) == celery_message.ids[1]
    assert "time_limit" not in options_of(row())  # as it is the receiver's own again


def test_run_that_comes_twice_is_one_row(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    """Its worker died after it had written the row, and before it said so."""
    defer(signal)(Acting({0: ask_for_later}))
    (celery_message,) = send_together(1)
    assert celery_message.deliver() == "RETRY"
    assert celery_message.deliver() == "RETRY"
    assert row().attempt == 1


def test_wait_in_the_broker_follows_where_the_database_is_away(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    acting = Acting({0: ask_for_later})
    defer(signal, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    with database_away():
        assert celery_message.deliver() == "RETRY"
        (again,) = take_celery_messages()
        assert unpack(again.wires[0]).attempt == 2
        assert again.headers["tenant"] == "blue"
        assert again.deliver() == "RETRY"  # it waits in pieces
    connection.close()
    (piece,) = take_celery_messages()
    assert piece.headers["eta"] is not None
    assert acting.ran == [0]
    assert len(lifecycle.of("receiver_retrying")) == 1


def test_stamps_of_any_name_are_no_options_of_the_wake_up(
    signal: Signal, defer: Connected, send_together: SendTogether, plugged: Rows
) -> None:
    """Whoever can write to the broker may name them as they like."""
    defer(signal)(Acting({0: ask_for_later}))
    (celery_message,) = send_together(1)
    names = {"serializer": ["pickle"], "task_id": ["other"], "queue": ["elsewhere"]}
    stamps = {"stamped_headers": [*names], "stamps": names}
    forged = replace(celery_message, headers={**celery_message.headers, **stamps})
    assert forged.deliver() == "RETRY"
    assert options_of(row())["queue"] == "celery"
    OutboxMessage.objects.update(due_at=row().created_at)
    assert plugged.look() == 1
    (woken,) = take_celery_messages()
    assert woken.headers["id"] == celery_message.headers["id"]
    assert woken.headers["stamps"] == names


STAMPS = {"stamped_headers": ["customer"], "stamps": {"customer": ["ada"]}}


def test_what_a_message_carries_reaches_the_wake_up(
    signal: Signal, defer: Connected, send_together: SendTogether, plugged: Rows
) -> None:
    defer(signal, name="tests.later", **{**OPTIONS, "headers": {}})(Acting({0: ask_for_later}))
    (celery_message,) = send_together(1)
    of_another_task = {"root_id": "the-root", "parent_id": "the-parent"}
    headers = {**celery_message.headers, **STAMPS, **of_another_task, "tenant": "blue"}
    properties = {**celery_message.properties, "priority": 7}
    came = replace(celery_message, headers=headers, properties=properties)
    assert came.deliver() == "RETRY"
    found = row()
    assert options_of(found) == {
        "queue": "celery",
        "priority": 7,
        "headers": {"tenant": "blue", **of_another_task, **STAMPS},
        "compression": "application/x-gzip",
    }
    OutboxMessage.objects.update(due_at=found.created_at)
    assert plugged.look() == 1
    (woken,) = take_celery_messages()
    assert is_wake_up(woken.wires[0])
    assert woken.properties["priority"] == 7
    assert woken.headers["compression"] == "application/x-gzip"
    assert woken.headers["timelimit"] == [30, 20]
    for name, value in {"tenant": "blue", **STAMPS, **of_another_task}.items():
        assert woken.headers[name] == value
