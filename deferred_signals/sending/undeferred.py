"""Decide who is told of a send that could not be deferred: the sender, or logs and `publish_failed`."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from deferred_signals import events
from deferred_signals.errors import (
    ConfigurationError,
    DeferredSignalsError,
    DepthExceeded,
    MessageTooLarge,
    PublishError,
    SerializationError,
)
from deferred_signals.receivers import registry
from deferred_signals.receivers.owners import is_projects_own
from deferred_signals.support.records import about
from deferred_signals.support.telling import is_interruption, is_telling, telling
from deferred_signals.support.under_test import is_under_test

if TYPE_CHECKING:
    from django.dispatch import Signal

__all__ = ["NotKept", "is_for_sender", "report_undeferred"]

logger = logging.getLogger("deferred_signals")


class NotKept(ConfigurationError):
    """A durable message cannot be kept, as the settings are."""


#: Errors that the sender of a signal of the project's own can mend.
_FOR_SENDERS = (SerializationError, MessageTooLarge, DepthExceeded, NotKept)


def is_for_sender(signal: Signal, error: Exception) -> bool:
    """Return whether an error that keeps a call from being deferred is to be raised in ``send()``.

    In tests every error is. Else these are, where the signal is the project's own:
    `SerializationError`, `MessageTooLarge`, `DepthExceeded`, and that nothing keeps a durable message.
    """
    return (
        is_interruption(error)
        or is_under_test()
        or (isinstance(error, _FOR_SENDERS) and is_projects_own(signal))
    )


def report_undeferred(name: str, signal: Signal, error: Exception) -> None:
    """Log that a call is lost, and send ``publish_failed`` with the reason.

    Arguments:
        name: the receiver's name.
        signal: the signal that was sent.
        error: why the call could not be deferred.
    """
    if is_telling():
        return
    known = isinstance(error, DeferredSignalsError)
    with telling():
        logger.error(
            "A call of receiver %s is lost, since it could not be deferred when signal %s was sent: "
            "%s: %s",
            name,
            registry.path_of(signal) or "(of no module)",
            type(error).__name__,
            error if known else _trace(error),
            extra=about("undeferred", receiver=name),
        )
    if not known:
        text = f"A call of receiver {name!r} could not be deferred: {type(error).__name__}"
        error, cause = PublishError(text), error
        error.__cause__ = cause
    with telling():
        events.publish_failed.send_robust(sender=None, messages=(), exception=error, was_kept=False)


def _trace(error: Exception) -> str:
    """Format where an unexpected error was raised; its text may hold values, which no log should show."""
    return "raised at\n" + "".join(traceback.format_tb(error.__traceback__)).rstrip()
