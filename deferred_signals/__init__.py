"""Run Django signal receivers on a Celery worker, after the commit, by one argument."""

from typing import TYPE_CHECKING

from deferred_signals.support.lazy import lazily

if TYPE_CHECKING:
    from deferred_signals.decorator import connect, receiver
    from deferred_signals.errors import (
        ConfigurationError,
        DecodeError,
        DeferredSignalsError,
        DepthExceeded,
        Discard,
        DuplicateReceiver,
        EagerReceiverFailed,
        InvalidPolicy,
        InvalidReceiver,
        MessageTooLarge,
        PublishError,
        RedeliveredTooOften,
        RegistrationError,
        RetryLater,
        SerializationError,
        SignalNotDeferrable,
        UnknownReceiver,
    )
    from deferred_signals.handlers import decoded, send_again
    from deferred_signals.policies import Retry
    from deferred_signals.receivers.conditions import changed
    from deferred_signals.receivers.muting import muted
    from deferred_signals.running.current import current_message
    from deferred_signals.sending.dispatch import Deferred
    from deferred_signals.serialization import ExceptionSummary, RequestSnapshot, register_type
    from deferred_signals.support.unknown import UNKNOWN
else:
    # Out of type checkers' sight: with a `__getattr__` they would believe in every name.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "receivers.conditions": ["changed"],
            "errors": [
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
            ],
            "events": [],
            "handlers": ["decoded", "send_again"],
            "receivers.muting": ["muted"],
            "policies": ["Retry"],
            "decorator": ["connect", "receiver"],
            "running.current": ["current_message"],
            "sending.dispatch": ["Deferred"],
            "serialization": ["ExceptionSummary", "RequestSnapshot", "register_type"],
            "support.unknown": ["UNKNOWN"],
        },
    )

__all__ = [  # noqa: RUF022 - by the alphabet alone, as users look for them
    "ConfigurationError",
    "DecodeError",
    "Deferred",
    "DeferredSignalsError",
    "DepthExceeded",
    "Discard",
    "DuplicateReceiver",
    "EagerReceiverFailed",
    "ExceptionSummary",
    "InvalidPolicy",
    "InvalidReceiver",
    "MessageTooLarge",
    "PublishError",
    "RedeliveredTooOften",
    "RegistrationError",
    "RequestSnapshot",
    "Retry",
    "RetryLater",
    "SerializationError",
    "SignalNotDeferrable",
    "UNKNOWN",
    "UnknownReceiver",
    "changed",
    "connect",
    "current_message",
    "decoded",
    "muted",
    "receiver",
    "register_type",
    "send_again",
]

__version__ = "0.1.0"
