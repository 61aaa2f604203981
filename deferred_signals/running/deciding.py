"""Decide: what follows from an attempt that did not succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.errors import (
    ConfigurationError,
    DecodeError,
    DepthExceeded,
    Discard,
    InvalidReceiver,
    RedeliveredTooOften,
    UnknownReceiver,
)
from deferred_signals.policies import GiveUp, TryAgain
from deferred_signals.running.outcomes import Discarded, Failed, Retrying
from deferred_signals.running.resolving import Gone

if TYPE_CHECKING:
    from deferred_signals.running.attempt import Attempt
    from deferred_signals.running.outcomes import Outcome

__all__ = ["charge", "decide", "never_came_back"]

#: Failures that no further attempt can mend.
_HOPELESS = (ConfigurationError, DecodeError, DepthExceeded, InvalidReceiver, UnknownReceiver)


def decide(attempt: Attempt, exception: BaseException, *, raised_by_receiver: bool) -> Outcome:
    """Decide what follows from the exception that ended an attempt.

    Arguments:
        attempt: the attempt.
        exception: what ended the attempt.
        raised_by_receiver: the policy's ``on`` and ``give_up_on`` judge only what the receiver
            itself raised. A database that is away, or a process that died, is tried again whatever
            they name.
    """
    if isinstance(exception, Discard):
        return Discarded(exception.reason or "no reason was given")
    if isinstance(exception, Gone):
        return _decide_gone(attempt, exception)
    if isinstance(exception, _HOPELESS):
        return Failed(exception, "no further attempt can mend it")
    policy = attempt.policy
    judge = policy.decide if raised_by_receiver else policy.decide_anyway
    match judge(exception, attempt=attempt.message.attempt, elapsed=attempt.age()):
        case TryAgain(wait):
            return Retrying(exception, wait)
        case GiveUp(reason):
            return Failed(exception, reason)


def charge(prepared: Attempt | Failed, exception: BaseException) -> Outcome:
    """Decide what follows from a run whose process died or was ended: it used up one attempt.

    Arguments:
        prepared: the attempt, or why this process cannot make one.
        exception: what ended the run.
    """
    if isinstance(prepared, Failed):
        return Failed(exception, str(prepared.exception))
    return decide(prepared, exception, raised_by_receiver=False)


def never_came_back(receiver: str, runs: int) -> Failed:
    """Fail a message all of whose runs have begun, and the last of which ended with its whole worker.

    Arguments:
        receiver: the receiver's name.
        runs: how many have begun.
    """
    why = f"run {runs} of {runs} never came back"
    return Failed(RedeliveredTooOften(f"{receiver!r}: {why}."), why)


def _decide_gone(attempt: Attempt, gone: Gone) -> Outcome:
    """Decide by the option ``missing``, and by its default for this row."""
    missing = attempt.receiver.options.missing or ("discard" if gone.is_instance else "fail")
    if missing == "discard":
        return Discarded(str(gone))
    if missing == "retry":
        return decide(attempt, gone.error, raised_by_receiver=False)
    return Failed(gone.error, "a referenced row is gone")
