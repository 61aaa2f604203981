"""`Ran`: what became of a message that a test ran, and what a test says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of
from deferred_signals.running.outcomes import Failed
from deferred_signals.support.amounts import as_seconds
from deferred_signals.testing.crashes import FakeCrash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from deferred_signals.running.outcomes import Outcome

__all__ = ["Ran", "check_waits", "raise_first"]


@dataclass
class Ran:
    """What became of one message.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        attempts: how many attempts began.
        waits: the seconds between attempts.
        outcome: how the last attempt ended: ``"succeeded"``, ``"discarded"`` or ``"failed"``; or
            ``"expired"`` if the message came too late to run.
        exception: the exception with which it failed.
        reason: why it was discarded or given up.
        kwargs: the kwargs of the call, as in `deferred_signals.testing.Call`.
    """

    id: str
    receiver: str
    attempts: int = 0
    waits: list[float] = field(default_factory=list)
    outcome: str = ""
    exception: BaseException | None = None
    reason: str = ""
    kwargs: dict[str, Any] = field(default_factory=dict)

    def note(self, outcome: Outcome) -> None:
        """Note how an attempt ended."""
        kind = Failed if isinstance(outcome, Failed) else type(outcome)
        self.outcome = kind.__name__.lower()
        self.exception = getattr(outcome, "exception", None)
        self.reason = getattr(outcome, "reason", "")


def check_waits(story: list[Ran], expected: Sequence[float | timedelta]) -> None:
    """Assert that the waits of all messages are the expected ones, apart from jitter.

    Raises:
        AssertionError: they are others.
    """
    found = [(wait, _jitter(ran.receiver)) for ran in story for wait in ran.waits]
    fits = len(found) == len(expected) and all(
        _fits(wait, jitter, item) for (wait, jitter), item in zip(found, expected, strict=True)
    )
    if not fits:
        waits = [wait for wait, _ in found]
        raise AssertionError(f"The waits were {waits}, not {list(expected)}.")


def raise_first(story: list[Ran]) -> None:
    """Raise the first failure, with a note that names the receiver and counts the failures.

    Raises:
        BaseException: the exception of the receiver's last attempt.
    """
    failed = [(ran, ran.exception) for ran in story if ran.outcome in {"failed", "unknown"}]
    for ran, error in failed:
        if error is None or isinstance(error, FakeCrash) or isinstance(error.__cause__, FakeCrash):
            continue
        attempts = "1 attempt" if ran.attempts == 1 else f"{ran.attempts} attempts"
        error.add_note(
            f"Raised by the deferred receiver {ran.receiver!r}, after {attempts}; of {len(story)} "
            f"messages {len(failed)} failed. With raises=False, what became of each is returned."
        )
        raise error


def _jitter(receiver: str) -> float:
    found = registry.find(receiver)
    return 0.0 if found is None else as_seconds(policy_of(found.options).wait_jitter) or 0.0


def _fits(wait: float, jitter: float, expected: object) -> bool:
    least = as_seconds(expected)
    return wait == expected or (least is not None and least <= wait <= least + jitter)
