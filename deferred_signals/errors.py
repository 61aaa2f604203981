"""The library's errors, and the two exceptions that a receiver raises to decide about its message.

An error's text says what was wrong, with the value, and then what to do. Values that came with a
message are not shown.
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
    """Base of the library's errors, for an ``except`` that means them all. Do not raise it directly."""


class ConfigurationError(DeferredSignalsError, ImproperlyConfigured):
    """A setting is wrong, or an option needs a part of the library that is not installed."""


class InvalidPolicy(DeferredSignalsError, ValueError):
    """A `Retry` or a `RetryLater` was given a value that it cannot have."""


class RegistrationError(DeferredSignalsError):
    """A receiver cannot be deferred as it was declared. Nothing was connected or registered."""


class DuplicateReceiver(RegistrationError):
    """One name was given to two callables, or to one callable with two sets of options."""


class InvalidReceiver(RegistrationError, TypeError):
    """The callable or one of its options is refused: no ``**kwargs``, no name, an unknown option."""


class SignalNotDeferrable(RegistrationError, TypeError):
    """The signal cannot be deferred, or only with ``opt_in=True``."""


class SerializationError(DeferredSignalsError):
    """A kwarg cannot travel.

    ``send()`` of a signal of the project's own raises it. Its text names the signal, the receiver, the
    path to the value, and a remedy. In a signal of Django's or of an installed package it does not
    reach the sender: the call is not deferred, and `publish_failed` and an error log report it. Under
    Django's test environment it is raised there, too. The same holds for `MessageTooLarge` and
    `DepthExceeded`.

    It has no second base, since callers of ``save()`` catch `TypeError` and `ValueError` for reasons
    of their own.
    """


class MessageTooLarge(DeferredSignalsError):
    """A message's payload is larger than ``MAX_MESSAGE_BYTES``. Raised by ``send()``."""


class DecodeError(DeferredSignalsError, ValueError):
    """A message from the broker is malformed, or names something that this process does not have.

    Attributes:
        payload: what could not be decoded: the message's payload, or a part of it.
    """

    def __init__(self, message: str, payload: object = None) -> None:
        super().__init__(message)
        self.payload = payload


class NotKnownHere(DecodeError):
    """A message names a model, a type or an enum member that this process does not know.

    Another process may know it, for example during a deploy. So the message is kept for
    ``UNKNOWN_GRACE``, like one for an unknown receiver.
    """


class ContextNotRestored(DeferredSignalsError):
    """A required context carrier could not restore the context of the send."""


class UnknownReceiver(DeferredSignalsError, LookupError):
    """A message is for a receiver that this process does not know."""


class DepthExceeded(DeferredSignalsError, RecursionError):
    """A receiver deferred a call, whose receiver deferred one, and so on, more than ``MAX_DEPTH`` deep.

    Raised by ``send()``.
    """


class PublishError(DeferredSignalsError):
    """Messages could not be published.

    Attributes:
        is_kept: the messages are in the outbox, and will be published later. Else they are lost, or may
            have arrived.
    """

    is_kept: bool = False


class RedeliveredTooOften(DeferredSignalsError):
    """The broker redelivered a message more than ``MAX_REDELIVERIES`` times.

    Each time the worker was gone before it acknowledged the message. Probably the message crashes it.
    """


class EagerReceiverFailed(DeferredSignalsError):
    """In eager mode a receiver raised a database error, which is this exception's cause.

    Django would take a bare database error for one of the transaction that is just being committed.
    """


class Discard(Exception):
    """Raise it in a receiver to drop the message on purpose: no retry, no error.

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
    """Raise it in a receiver that knows when it should be tried again.

    The run counts as an attempt like any failed one, so the policy's ``max_attempts`` still ends the
    retries. The wait is the receiver's, and the policy's ``on`` is not asked.

    Arguments:
        after: seconds to wait, or a ``timedelta``; None for the policy's own wait.

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
