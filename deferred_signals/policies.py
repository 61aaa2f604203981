"""`Retry`: how often, and after which waits, a failed receiver is tried again.

A policy is a value and nothing else: it knows no clock, no settings and no Celery. The vocabulary is
that of the package stamina.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.errors import InvalidPolicy, RetryLater
from deferred_signals.support.hints import nearest
from deferred_signals.support.validators import (
    exception_types,
    number,
    or_none,
    seconds,
    seconds_above_zero,
    validated,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from deferred_signals.support.validators import Validator

__all__ = ["NO_RETRY", "GiveUp", "Retry", "TryAgain", "is_field"]

Seconds = float | timedelta
ExceptionTypes = tuple[type[BaseException], ...]


class TryAgain(NamedTuple):
    """The decision to run once more, ``wait`` seconds from now."""

    wait: float


class GiveUp(NamedTuple):
    """The decision not to run again, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Retry:
    """When a failed receiver is tried again, and when it is given up.

    The wait before attempt n+1 is ``wait_initial * wait_exp_base ** (n - 1)`` plus a random part
    of ``wait_jitter``, and never more than ``wait_max``.

    Arguments:
        on: exception types that are worth another attempt; one type or a tuple.
        give_up_on: exception types that are not, though ``on`` names them.
        max_attempts: runs, the first included: 1 means no second run. None: no limit, and then
            ``timeout`` is required.
        wait_initial: seconds (or a timedelta) before the second attempt.
        wait_max: seconds that no wait exceeds.
        wait_exp_base: factor from one wait to the next.
        wait_jitter: seconds, the most that chance adds to a wait.
        timeout: seconds since ``send()`` after which no attempt begins; None: no such limit.

    Raises:
        InvalidPolicy: a value makes no sense.

    >>> policy = Retry(on=ConnectionError, max_attempts=4, wait_jitter=0)
    >>> [policy.wait_after(attempt) for attempt in (1, 2, 3)]
    [1.0, 2.0, 4.0]
    >>> policy.decide(ConnectionError(), attempt=3, elapsed=7.0)
    TryAgain(wait=4.0)
    >>> policy.decide(ConnectionError(), attempt=4, elapsed=11.0)
    GiveUp(reason='attempt 4 of 4 failed')
    """

    on: type[BaseException] | ExceptionTypes = (Exception,)
    give_up_on: type[BaseException] | ExceptionTypes = ()
    max_attempts: int | None = 3
    wait_initial: Seconds = 1.0
    wait_max: Seconds = 600.0
    wait_exp_base: float = 2.0
    wait_jitter: Seconds = 1.0
    timeout: Seconds | None = None

    if not TYPE_CHECKING:
        # Type checkers know the fields by the generated `__init__`, and must not see this.
        def __new__(cls, *_args: Any, **given: Any) -> Self:
            """Refuse names of no field, as `__init__` could not say what to write instead."""
            _refuse_unknown(given)
            return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, validator in _VALIDATORS.items():
            value = validated(f"Retry.{name}", getattr(self, name), validator, InvalidPolicy)
            object.__setattr__(self, name, value)
        if self.max_attempts is None and self.timeout is None:
            raise InvalidPolicy(
                "Retry.max_attempts is None (no limit) and so needs a timeout: a receiver must not "
                "be tried for ever."
            )

    def wait_after(self, attempt: int, chance: Callable[[], float] = random.random) -> float:
        """Return the seconds between an attempt (from 1) and the next; ``chance`` gives 0 to 1."""
        try:
            backoff = _as_float(self.wait_initial) * float(self.wait_exp_base) ** (attempt - 1)
        except OverflowError:
            backoff = inf
        return min(_as_float(self.wait_max), backoff + _as_float(self.wait_jitter) * chance())

    @property
    def longest_wait(self) -> float:
        """Return the seconds that no wait of this policy exceeds, whatever chance says."""
        if self.max_attempts == 1:
            return 0.0
        if self.max_attempts is None:
            return _as_float(self.wait_max)
        return self.wait_after(self.max_attempts - 1, chance=lambda: 1.0)

    def decide(
        self, exception: BaseException, *, attempt: int, elapsed: float
    ) -> TryAgain | GiveUp:
        """Decide what follows when an attempt (from 1) failed, ``elapsed`` seconds after the send."""
        if not isinstance(exception, RetryLater):
            if isinstance(exception, self.give_up_on):
                return GiveUp(f"{type(exception).__name__} is in give_up_on")
            if not isinstance(exception, self.on):
                return GiveUp(f"{type(exception).__name__} is not in on")
        return self.decide_anyway(exception, attempt=attempt, elapsed=elapsed)

    def decide_anyway(
        self, exception: BaseException, *, attempt: int, elapsed: float
    ) -> TryAgain | GiveUp:
        """Decide as `decide` does, whatever the exception's type: a process that died raised none."""
        if self.max_attempts is not None and attempt >= self.max_attempts:
            return GiveUp(f"attempt {attempt} of {self.max_attempts} failed")
        wait = self.wait_after(attempt)
        if isinstance(exception, RetryLater) and exception.after is not None:
            wait = exception.after
        if self.timeout is not None and elapsed + wait > _as_float(self.timeout):
            return GiveUp(f"the next attempt would begin after the timeout of {self.timeout:g} s")
        return TryAgain(wait)


def is_field(name: str) -> bool:
    """Return whether `Retry` has a field of this name."""
    return name in Retry.__dataclass_fields__


#: What other libraries call these fields.
_SYNONYMS = {
    "attempts": "max_attempts",
    "autoretry_for": "on",
    "backoff": "wait_exp_base",
    "backoff_factor": "wait_exp_base",
    "backoff_max": "wait_max",
    "countdown": "wait_initial",
    "default_retry_delay": "wait_initial",
    "delay": "wait_initial",
    "dont_autoretry_for": "give_up_on",
    "exceptions": "on",
    "jitter": "wait_jitter",
    "max_delay": "wait_max",
    "max_tries": "max_attempts",
    "retry_backoff": "wait_exp_base",
    "retry_backoff_max": "wait_max",
    "retry_jitter": "wait_jitter",
    "retry_on": "on",
    "tries": "max_attempts",
}


def _refuse_unknown(given: dict[str, Any]) -> None:
    wrong = [
        f"{name}= is no field of Retry. {_hint(name, value)}"
        for name, value in given.items()
        if not is_field(name)
    ]
    if wrong:
        raise InvalidPolicy(" ".join(wrong))


def _hint(name: str, value: object) -> str:
    if name in {"max_retries", "retries"}:
        example = f"max_attempts={value + 1}" if type(value) is int else "max_attempts="
        return (
            f"Write {example}: it counts the first run too, so max_retries=n is max_attempts=n+1."
        )
    if name in _SYNONYMS:
        return f"Did you mean {_SYNONYMS[name]!r}?"
    return nearest(name, (item.name for item in fields(Retry)), _SYNONYMS)


def _as_float(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


_VALIDATORS: dict[str, Validator[object]] = {
    "on": exception_types,
    "give_up_on": exception_types,
    "max_attempts": or_none(whole(1)),
    "wait_initial": seconds,
    "wait_max": seconds,
    "wait_exp_base": number(1),
    "wait_jitter": seconds,
    "timeout": or_none(seconds_above_zero),
}

#: What ``retry=None`` means: the first attempt is the last.
NO_RETRY = Retry(max_attempts=1)
