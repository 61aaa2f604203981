"""Every error that the library raises, and the two exceptions by which a receiver steers its own fate.

A message says what was wrong, with the value, and then what to do.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from deferred_signals.support.amounts import as_seconds

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = [
    "ConfigurationError",
    "DecodeError",
    "DeferredSignalsError",
    "DepthExceeded",
    "Discard",
    "DuplicateReceiver",
    "EagerReceiverFailed",
    "InvalidPolicy",
    "InvalidReceiver",
    "MessageTooLarge",
    "PublishError",
    "RedeliveredTooOften",
    "RegistrationError",
    "RetryLater",
    "SerializationError",
    "SignalNotDeferrable",
    "UnknownReceiver",
]


class DeferredSignalsError(Exception):
    """Root of the library's errors, for an ``except`` that means them all. Never raised itself."""


class ConfigurationError(DeferredSignalsError, ImproperlyConfigured):
    """A setting, or an option that needs a part which is not installed, is wrong."""


class InvalidPolicy(DeferredSignalsError, ValueError):
    """A `Retry` was made of values that make no policy."""


class RegistrationError(DeferredSignalsError):
    """A receiver cannot be deferred as it was declared. Nothing was connected or registered."""


class DuplicateReceiver(RegistrationError):
    """One name stands for two different callables, or for one with two sets of options."""


class InvalidReceiver(RegistrationError, TypeError):
    """The callable or an option of it does not fit: no ``**kwargs``, no name, an unknown option."""


class SignalNotDeferrable(RegistrationError, TypeError):
    """The signal cannot be deferred, or only by those who ask for it with ``opt_in=True``."""


class SerializationError(DeferredSignalsError):
    """A kwarg cannot travel. Raised in ``send()``, naming signal, receiver and path to the value.

    Senders of signals of Django's or of an installed package are spared it, but in tests: there
    `publish_failed` and an error log tell of it. The same holds for `MessageTooLarge` and
    `DepthExceeded`.

    It has no second base: callers of ``save()`` catch `TypeError` and `ValueError` for reasons of
    their own.
    """


class MessageTooLarge(DeferredSignalsError):
    """An encoded payload is larger than ``MAX_MESSAGE_BYTES``. Raised in ``send()``."""


class DecodeError(DeferredSignalsError, ValueError):
    """A payload from the broker is malformed, or speaks of what this process does not have.

    Attributes:
        payload: what was to be decoded, kept so that nothing is lost.
    """

    def __init__(self, message: str, payload: object = None) -> None:
        super().__init__(message)
        self.payload = payload


class NotKnownHere(DecodeError):
    """A message speaks of a model, a type or an enum member that this process does not know.

    Another process may know it, as while a deploy is under way: the message waits for
    ``UNKNOWN_GRACE``, like one for an unknown receiver.
    """


class ContextNotRestored(DeferredSignalsError):
    """A context carrier that is required has not restored what surrounded the send."""


class UnknownReceiver(DeferredSignalsError, LookupError):
    """A message is for a receiver that this process does not know."""


class DepthExceeded(DeferredSignalsError, RecursionError):
    """Deferrals started from within deferrals went deeper than ``MAX_DEPTH``."""


class PublishError(DeferredSignalsError):
    """Messages could not be handed to the broker."""


class RedeliveredTooOften(DeferredSignalsError):
    """A message came again more than ``MAX_REDELIVERIES`` times, since its workers were gone."""


class EagerReceiverFailed(DeferredSignalsError):
    """In eager mode a receiver ended with a database error, which is this exception's cause.

    Django would take a bare database error, raised while a transaction ends, for its own.
    """


class Discard(Exception):
    """Raised by a receiver to drop its message on purpose: no retry, no error.

    Arguments:
        reason: why, for the log and the `receiver_discarded` signal.

    >>> raise Discard("the order was cancelled meanwhile")
    Traceback (most recent call last):
        ...
    deferred_signals.errors.Discard: the order was cancelled meanwhile
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(Exception):
    """Raised by a receiver that knows when it should be tried again.

    Counts as an attempt like any failure, so a policy's ``max_attempts`` still ends it, but the
    wait is the receiver's and ``on`` is not asked.

    Arguments:
        after: seconds (or a ``timedelta``) to wait; None for the policy's own wait.

    >>> from datetime import timedelta
    >>> RetryLater(after=timedelta(minutes=2)).after
    120.0
    """

    def __init__(self, after: float | timedelta | None = None) -> None:
        seconds = as_seconds(after)
        if after is not None and (seconds is None or not 0 <= seconds < inf):
            raise InvalidPolicy(
                f"RetryLater.after must be seconds (0 or more) or a timedelta, got {after!r}."
            )
        super().__init__("as soon as the policy allows" if seconds is None else f"in {seconds:g} s")
        self.after = seconds
