"""Long waits in pieces: what leaves, what a worker does before a message is due, and what it keeps."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.signals import task_retry
from django.dispatch import Signal

from deferred_signals import Retry, RetryLater
from deferred_signals.message.wire import pack, unpack
from deferred_signals.publishing.waits import HEADER, moment_of
from deferred_signals.worker.parking import PARKED
from tests.support.acting import Acting, raising
from tests.support.celery_messages import CeleryMessage, SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def short_pieces(configure: Configure) -> None:
    configure(LONGEST_WAIT=5)


def countdown_of(celery_message: CeleryMessage) -> float:
    eta = moment_of(celery_message.headers["eta"])
    assert eta is not None
    return eta - time.time()


def left_of(celery_message: CeleryMessage) -> float:
    due: float = celery_message.headers[HEADER]["due"]
    return due - time.time()


def later(celery_message: CeleryMessage, seconds: float) -> CeleryMessage:
    """Make a message look as if it had been sent that many seconds ago."""
    due = celery_message.headers[HEADER]["due"] - seconds
    return replace(celery_message, headers={**celery_message.headers, HEADER: {"due": due}})


OPTIONS: dict[str, Any] = {
    "priority": 3,
    "headers": {"tenant": "blue"},
    "time_limit": 30,
    "soft_time_limit": 20,
    "compression": "gzip",
}


@pytest.mark.parametrize(
    "countdown", [40, timedelta(seconds=40), lambda sender, **kwargs: 40], ids=type
)
def test_long_countdown_leaves_as_one_piece_that_knows_when_it_is_due(
    signal: Signal, defer: Connected, send_together: SendTogether, countdown: Any
) -> None:
    defer(signal, countdown=countdown, headers={"tenant": "blue"})(Acting())
    for celery_message in send_together(2):
        assert 4 < countdown_of(celery_message) < 5.1
        assert 39 < left_of(celery_message) < 40.1
        assert celery_message.headers["tenant"] == "blue"


def test_countdown_that_a_worker_may_hold_is_left_to_celery(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=5)(Acting())
    (celery_message,) = send_together(1)
    assert 4 < countdown_of(celery_message) < 5.1
    assert HEADER not in celery_message.headers


def test_piece_that_comes_before_its_time_goes_on_as_it_is(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    acting = Acting()
    defer(signal, countdown=40, expires=60, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    told = []
    task_retry.connect(listener := lambda reason, **kwargs: told.append(reason.when))
    assert celery_message.deliver() == "RETRY"
    task_retry.disconnect(listener)
    (piece,) = take_celery_messages()
    assert piece.wires == celery_message.wires
    assert 4 < countdown_of(piece) < 5.1
    assert piece.headers[HEADER] == {
        "due": pytest.approx(celery_message.headers[HEADER]["due"], abs=0.1)
    }
    but = {"eta", HEADER}
    assert without(piece.headers, but) == without(celery_message.headers, but)
    for name in ("priority", "correlation_id", "reply_to"):
        assert piece.properties[name] == celery_message.properties[name]
    assert told == [datetime.fromtimestamp(celery_message.headers[HEADER]["due"], UTC)]
    assert lifecycle.names == ["message_published"]
    assert acting.ran == []


def without(headers: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in names}


def test_last_piece_is_an_ordinary_wait_and_then_it_runs(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40)(acting)
    (celery_message,) = send_together(1)
    assert later(celery_message, 37).deliver() == "RETRY"
    (last,) = take_celery_messages()
    assert 2 < countdown_of(last) < 3.1
    assert HEADER not in last.headers
    assert last.deliver() == "SUCCESS"
    assert acting.ran == [0]


def test_message_that_is_overdue_runs(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40)(acting)
    (celery_message,) = send_together(1)
    assert later(celery_message, 400).deliver() == "SUCCESS"
    assert acting.ran == [0]
    assert take_celery_messages() == []


def test_chunk_waits_as_a_whole(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, chunk_size=10, countdown=40, time_limit=3)(acting)
    (celery_message,) = send_together(3)
    assert celery_message.headers["timelimit"] == [9, None]
    assert celery_message.deliver() == "RETRY"
    (piece,) = take_celery_messages()
    assert piece.wires == celery_message.wires
    for name in ("id", "timelimit", "argsrepr"):
        assert piece.headers[name] == celery_message.headers[name]
    assert later(piece, 40).deliver() == "SUCCESS"
    assert acting.ran == [0, 1, 2]


@pytest.mark.parametrize("policy", ["the policy's wait", "RetryLater"])
def test_long_wait_for_the_next_attempt_is_cut_and_costs_no_attempt(
    signal: Signal,
    defer: Connected,
    send_together: SendTogether,
    lifecycle: Lifecycle,
    policy: str,
) -> None:
    error = RetryLater(after=40) if policy == "RetryLater" else ConnectionError()
    wait = 1 if policy == "RetryLater" else 40
    acting = Acting({0: raising(error)})
    retry = Retry(max_attempts=2, wait_initial=wait, wait_jitter=0)
    defer(signal, retry=retry, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    assert celery_message.deliver() == "RETRY"
    for seconds in (0, 10, 20):
        (celery_message,) = take_celery_messages()
        assert unpack(celery_message.wires[0]).attempt == 2
        assert celery_message.headers["retries"] == 1
        assert later(celery_message, seconds).deliver() == "RETRY"
    assert acting.ran == [0]
    (celery_message,) = take_celery_messages()
    assert celery_message.headers["tenant"] == "blue"
    assert celery_message.headers["compression"] == "application/x-gzip"
    assert later(celery_message, 40).deliver() == "FAILURE"
    assert acting.ran == [0, 0]
    assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [40]
    assert len(lifecycle.of("receiver_started")) == 2


def test_redelivered_piece_is_not_counted(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=40)(Acting())
    (celery_message,) = send_together(1)
    assert celery_message.deliver(redelivered=True) == "RETRY"
    (piece,) = take_celery_messages()
    assert unpack(piece.wires[0]).redeliveries == 0


def test_parked_message_is_not_run_before_it_is_due(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40, version=1, **OPTIONS)(acting)
    (celery_message,) = send_together(1)
    newer = pack(replace(unpack(celery_message.wires[0]), version=2))
    # Its worker comes to know the version while it waits.
    assert later(replace(celery_message, wires=(newer,)), 40).deliver() == "RETRY"
    (parked,) = take_celery_messages()
    assert (parked.task, parked.headers["tenant"]) == (PARKED, "blue")
    assert parked.headers["timelimit"] == [30, 20]
    assert parked.headers["compression"] == "application/x-gzip"
    assert parked.properties["priority"] == 3
    assert 9 < left_of(parked) < 10.1  # the first look, in pieces
    known = (celery_message.wires[0], *parked.wires[1:])
    assert replace(parked, wires=known).deliver() == "RETRY"
    (waiting,) = take_celery_messages()
    assert waiting.task == PARKED
    assert waiting.wires == known
    assert acting.ran == []
    assert later(waiting, 10).deliver() == "SUCCESS"
    assert acting.ran == [0]


@pytest.mark.parametrize("headers", [{}, {HEADER: {"due": "soon"}}, {HEADER: 7}])
def test_malformed_header_from_outside_is_ignored(
    signal: Signal, defer: Connected, send_together: SendTogether, headers: dict[str, Any]
) -> None:
    acting = Acting()
    defer(signal)(acting)
    (celery_message,) = send_together(1)
    assert (
        replace(celery_message, headers={**celery_message.headers, **headers}).deliver()
        == "SUCCESS"
    )
    assert acting.ran == [0]
