"""A send: what one deferred receiver gets of a signal's ``send()``, before any of it is encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from django.dispatch import Signal

    from deferred_signals.receivers.catalogue import Entry
    from deferred_signals.receivers.conditions import Changes
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Send"]


class Send(NamedTuple):
    """One ``send()``, as one deferred receiver gets it.

    Attributes:
        receiver: whose call is to be deferred.
        signal: the signal that was sent.
        entry: what the catalogue says of the signal.
        sender: the signal's sender.
        kwargs: the other arguments of ``send()``.
        changes: what ``when=changed(...)`` found changed; empty where the receiver does not ask.
    """

    receiver: Receiver
    signal: Signal
    entry: Entry
    sender: Any
    kwargs: dict[str, Any]
    changes: Changes

    @property
    def names(self) -> str:
        """Name the signal and the receiver, as errors about a send begin."""
        signal = registry.name_of_signal(self.receiver, self.signal)
        return f"Signal {signal}, receiver {self.receiver.name}"
