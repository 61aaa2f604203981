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
from tests.support.connected import Connected
from tests.support.letters import Acting, Letter, SendTogether, raises, take_letters
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def short_pieces(configure: Configure) -> None:
    configure(LONGEST_WAIT=5)


def countdown_of(letter: Letter) -> float:
    eta = moment_of(letter.headers["eta"])
    assert eta is not None
    return eta - time.time()


def left_of(letter: Letter) -> float:
    due: float = letter.headers[HEADER]["due"]
    return due - time.time()


def later(letter: Letter, seconds: float) -> Letter:
    """Make a letter look as if it had been sent that many seconds ago."""
    due = letter.headers[HEADER]["due"] - seconds
    return replace(letter, headers={**letter.headers, HEADER: {"due": due}})


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
    for letter in send_together(2):
        assert 4 < countdown_of(letter) < 5.1
        assert 39 < left_of(letter) < 40.1
        assert letter.headers["tenant"] == "blue"


def test_countdown_that_a_worker_may_hold_is_left_to_celery(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=5)(Acting())
    (letter,) = send_together(1)
    assert 4 < countdown_of(letter) < 5.1
    assert HEADER not in letter.headers


def test_piece_that_comes_before_its_time_goes_on_as_it_is(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    acting = Acting()
    defer(signal, countdown=40, expires=60, **OPTIONS)(acting)
    (letter,) = send_together(1)
    told = []
    task_retry.connect(listener := lambda reason, **kwargs: told.append(reason.when))
    assert letter.deliver() == "RETRY"
    task_retry.disconnect(listener)
    (piece,) = take_letters()
    assert piece.wires == letter.wires
    assert 4 < countdown_of(piece) < 5.1
    assert piece.headers[HEADER] == {"due": pytest.approx(letter.headers[HEADER]["due"], abs=0.1)}
    but = {"eta", HEADER}
    assert without(piece.headers, but) == without(letter.headers, but)
    for name in ("priority", "correlation_id", "reply_to"):
        assert piece.properties[name] == letter.properties[name]
    assert told == [datetime.fromtimestamp(letter.headers[HEADER]["due"], UTC)]
    assert lifecycle.names == ["message_published"]
    assert acting.ran == []


def without(headers: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in names}


def test_last_piece_is_an_ordinary_wait_and_then_it_runs(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40)(acting)
    (letter,) = send_together(1)
    assert later(letter, 37).deliver() == "RETRY"
    (last,) = take_letters()
    assert 2 < countdown_of(last) < 3.1
    assert HEADER not in last.headers
    assert last.deliver() == "SUCCESS"
    assert acting.ran == [0]


def test_message_that_is_overdue_runs(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40)(acting)
    (letter,) = send_together(1)
    assert later(letter, 400).deliver() == "SUCCESS"
    assert acting.ran == [0]
    assert take_letters() == []


def test_chunk_waits_as_a_whole(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, chunk_size=10, countdown=40, time_limit=3)(acting)
    (letter,) = send_together(3)
    assert letter.headers["timelimit"] == [9, None]
    assert letter.deliver() == "RETRY"
    (piece,) = take_letters()
    assert piece.wires == letter.wires
    for name in ("id", "timelimit", "argsrepr"):
        assert piece.headers[name] == letter.headers[name]
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
    acting = Acting({0: raises(error)})
    retry = Retry(max_attempts=2, wait_initial=wait, wait_jitter=0)
    defer(signal, retry=retry, **OPTIONS)(acting)
    (letter,) = send_together(1)
    assert letter.deliver() == "RETRY"
    for seconds in (0, 10, 20):
        (letter,) = take_letters()
        assert unpack(letter.wires[0]).attempt == 2
        assert letter.headers["retries"] == 1
        assert later(letter, seconds).deliver() == "RETRY"
    assert acting.ran == [0]
    (letter,) = take_letters()
    assert letter.headers["tenant"] == "blue"
    assert letter.headers["compression"] == "application/x-gzip"
    assert later(letter, 40).deliver() == "FAILURE"
    assert acting.ran == [0, 0]
    assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [40]
    assert len(lifecycle.of("receiver_started")) == 2


def test_redelivered_piece_is_not_counted(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, countdown=40)(Acting())
    (letter,) = send_together(1)
    assert letter.deliver(redelivered=True) == "RETRY"
    (piece,) = take_letters()
    assert unpack(piece.wires[0]).redeliveries == 0


def test_parked_message_is_not_run_before_it_is_due(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting()
    defer(signal, countdown=40, version=1, **OPTIONS)(acting)
    (letter,) = send_together(1)
    newer = pack(replace(unpack(letter.wires[0]), version=2))
    # Its worker comes to know the version while it waits.
    assert later(replace(letter, wires=(newer,)), 40).deliver() == "RETRY"
    (parked,) = take_letters()
    assert (parked.task, parked.headers["tenant"]) == (PARKED, "blue")
    assert parked.headers["timelimit"] == [30, 20]
    assert parked.headers["compression"] == "application/x-gzip"
    assert parked.properties["priority"] == 3
    assert 9 < left_of(parked) < 10.1  # the first look, in pieces
    known = (letter.wires[0], *parked.wires[1:])
    assert replace(parked, wires=known).deliver() == "RETRY"
    (waiting,) = take_letters()
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
    (letter,) = send_together(1)
    assert replace(letter, headers={**letter.headers, **headers}).deliver() == "SUCCESS"
    assert acting.ran == [0]
