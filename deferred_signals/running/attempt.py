"""An attempt: one message, the receiver that it is for, and the policy that its failures go by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.errors import ConfigurationError, UnknownReceiver
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of
from deferred_signals.running.outcomes import Failed, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.message import Message
    from deferred_signals.policies import Retry
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Attempt", "prepare"]


class Attempt(NamedTuple):
    """One run of a message, as every step of the run sees it.

    Attributes:
        message: the message.
        receiver: the receiver that this process has under the message's name for it.
        policy: the receiver's retry policy, as the settings are now.
        elapsed: counts the seconds since the send, by the clock of the message's database; None: this
            process's own clock does.
    """

    message: Message
    receiver: Receiver
    policy: Retry
    elapsed: Callable[[], float] | None = None

    def age(self) -> float:
        """Count the seconds since the send."""
        if self.elapsed is not None:
            return self.elapsed()
        return self.message.age(datetime.now(UTC))


def prepare(message: Message) -> Attempt | Failed:
    """Make the attempt that a message asks for, or say why this process cannot run the message.

    The answer is `Unknown` where another process may know what this one does not, as while a
    deploy is under way.
    """
    try:
        receiver = registry.get(message.receiver)
    except UnknownReceiver as error:
        return Unknown(error)
    if message.version > receiver.options.version:
        return Unknown(
            UnknownReceiver(
                f"A message for {receiver.name!r} is of version {message.version}, and this "
                f"process has version {receiver.options.version} of the receiver."
            )
        )
    try:
        return Attempt(message, receiver, policy_of(receiver.options))
    except ConfigurationError as error:
        return Failed(error, "this process has no retry policy for it")
