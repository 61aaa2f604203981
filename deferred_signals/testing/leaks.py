"""The leak detector: reports messages that a test deferred and neither ran nor looked at."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, get_args

from deferred_signals.testing.pending import stuck

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LeakWarning", "Leaks", "check_choice", "tell", "tell_of_stuck"]

Leaks = Literal["warn", "fail", "off"]


class LeakWarning(UserWarning):
    """A test ended with messages that it neither ran nor looked at."""


def check_choice(leaks: str) -> None:
    """Refuse a value of ``leaks`` that does not exist.

    Raises:
        ValueError: it is none of the three.
    """
    if leaks not in get_args(Leaks):
        raise ValueError(f"leaks must be 'warn', 'fail' or 'off', got {leaks!r}.")


def tell(leaks: Leaks, what: str, left: Sequence[str], remedy: str) -> None:
    """Warn or fail if any messages are left.

    Arguments:
        leaks: whether to warn or to fail.
        what: what became of the messages, for the text.
        left: the messages, as the text shows them.
        remedy: what to do.

    Raises:
        AssertionError: messages are left, and ``leaks`` is ``"fail"``.
    """
    if not left or leaks == "off":
        return
    number = f"{len(left)} message{'s were' if len(left) > 1 else ' was'}"
    text = "\n  ".join([f"{number} {what}:", *left]) + f"\n{remedy}"
    if leaks == "fail":
        raise AssertionError(text)
    warnings.warn(text, LeakWarning, stacklevel=2)


def tell_of_stuck(leaks: Leaks) -> None:
    """Warn or fail if messages wait for the commit of a ``TestCase``, which never comes.

    Call this before the test's transaction is rolled back. It makes no query.
    """
    if leaks != "off":
        tell(
            leaks,
            "deferred in the test's own transaction, which is never committed",
            [f"{message.receiver}({', '.join(message.kwargs)})" for message in stuck()],
            "Nobody will run them. Use inline() or manual() of deferred_signals.testing, or a "
            "test whose transactions are real.",
        )
