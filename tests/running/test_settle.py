"""Who is told what became of an attempt: the log, and the lifecycle signals."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from deferred_signals import DecodeError, events
from deferred_signals.running.outcomes import Discarded, Failed, Outcome, Retrying, Succeeded
from deferred_signals.running.settling import settle, settle_malformed
from deferred_signals.support.records import KEYS
from tests.support.acting import raising
from tests.support.lifecycle import Lifecycle
from tests.support.messages import MakeMessage, execute

OUTCOMES: list[tuple[Outcome, str, dict[str, Any]]] = [
    (Succeeded(), "receiver_succeeded", {}),
    (Retrying(LookupError("x"), 3.0), "receiver_retrying", {"wait": 3.0}),
    (Discarded("cancelled"), "receiver_discarded", {"reason": "cancelled"}),
    (Failed(LookupError("x"), "no more"), "receiver_failed", {"reason": "no more"}),
]


@pytest.mark.parametrize(("outcome", "name", "arguments"), OUTCOMES, ids=[o[1] for o in OUTCOMES])
def test_outcome_is_told_to_one_lifecycle_signal(
    make_message: MakeMessage,
    lifecycle: Lifecycle,
    outcome: Any,
    name: str,
    arguments: dict[str, Any],
) -> None:
    message = make_message(raising(LookupError()))
    settle(message, outcome)
    ((told, kwargs),) = lifecycle.seen
    assert told == name
    if hasattr(outcome, "exception"):
        arguments = {**arguments, "exception": outcome.exception}
    assert kwargs == {"sender": "tests.executed", "message": message, **arguments}


def test_start_is_told_before_the_receiver_runs(
    make_message: MakeMessage, lifecycle: Lifecycle
) -> None:
    def receive(sender: object, **kwargs: object) -> None:
        assert lifecycle.names == ["receiver_started"]

    assert execute(make_message(receive)) == Succeeded()


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        (Retrying(LookupError("x"), 3.0), logging.WARNING),
        (Failed(LookupError("x"), "no more"), logging.ERROR),
        (Discarded("cancelled"), logging.INFO),
    ],
    ids=["retrying", "failed", "discarded"],
)
def test_outcome_is_one_log_record_with_its_facts_and_no_values(
    make_message: MakeMessage, caplog: pytest.LogCaptureFixture, outcome: Any, level: int
) -> None:
    message = make_message(raising(LookupError()), attempt=2)
    with caplog.at_level(logging.DEBUG, "deferred_signals"):
        settle(message, outcome)
    (record,) = caplog.records
    assert record.levelno == level
    assert {key: vars(record)[key] for key in KEYS} == {
        "deferred_event": type(outcome).__name__.lower(),
        "deferred_receiver": "tests.executed",
        "deferred_message_id": "the-id",
        "deferred_attempt": 2,
    }
    assert "swordfish" not in caplog.text
    assert "swordfish" not in repr(record.__dict__)


FORGED = "x\n2026-01-31 ERROR \x1b[31mstolen\r\u2028"


@pytest.mark.parametrize(
    "tell",
    [
        lambda message: settle(message, Failed(LookupError(), FORGED)),
        lambda message: settle(message, Retrying(LookupError(), 3.0)),
        lambda message: settle(message, Discarded(FORGED)),
        lambda _: settle_malformed(FORGED, DecodeError(ascii(FORGED))),
    ],
    ids=["failed", "retrying", "discarded", "malformed"],
)
def test_line_of_the_log_cannot_be_forged_by_a_message(
    make_message: MakeMessage, caplog: pytest.LogCaptureFixture, tell: Any
) -> None:
    forged = {"$ref": [FORGED, FORGED, FORGED]}
    message = replace(
        make_message(raising(LookupError()), kwargs={FORGED: forged}), receiver=FORGED, id=FORGED
    )
    with caplog.at_level(logging.DEBUG, "deferred_signals"):
        tell(message)
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert "stolen" in record.getMessage()


def test_reason_that_is_no_text_is_logged_as_one(
    make_message: MakeMessage, caplog: pytest.LogCaptureFixture
) -> None:
    reason: Any = LookupError("cancelled")
    with caplog.at_level(logging.DEBUG, "deferred_signals"):
        settle(make_message(raising(LookupError())), Discarded(reason))
    assert "discarded its message: cancelled" in caplog.text


def test_success_is_not_logged(make_message: MakeMessage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "deferred_signals"):
        settle(make_message(raising(LookupError())), Succeeded())
    assert caplog.records == []


def test_expected_exception_is_logged_quietly(
    make_message: MakeMessage, caplog: pytest.LogCaptureFixture
) -> None:
    message = make_message(raising(LookupError()), throws=(LookupError,))
    with caplog.at_level(logging.INFO, "deferred_signals"):
        settle(message, Failed(LookupError("x"), "no more"))
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.INFO, None)


@pytest.mark.parametrize("name", events.__all__)
def test_listener_that_fails_changes_nothing(make_message: MakeMessage, name: str) -> None:
    def listener(**kwargs: object) -> None:
        raise LookupError("of the listener")

    ran = []

    def receive(sender: object, **kwargs: object) -> None:
        ran.append(1)

    event = getattr(events, name)
    event.connect(listener)
    try:
        message = make_message(receive)
        assert execute(message) == Succeeded()
        for outcome, _, _ in OUTCOMES:
            settle(message, outcome)
    finally:
        event.disconnect(listener)
    assert ran == [1]
