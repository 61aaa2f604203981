"""Watches: a testing mode watches the sends and the runs of this process, and compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from django.db.models import Model
    from django.dispatch import Signal

    from deferred_signals.message import Message
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.serialization import Reference

__all__ = ["Watch", "watches"]


class Watch(Protocol):
    """Watch what is sent, and what receivers do with it."""

    def sent(
        self, id_: str, receiver: Receiver, signal: Signal, sender: Any, kwargs: Mapping[str, Any]
    ) -> None:
        """Look at what is sent, before its receiver can run."""

    def running(
        self, message: Message, receiver: Receiver, rows: Mapping[Reference, Model]
    ) -> AbstractContextManager[None]:
        """Look at the rows that were fetched for a message, before and after the receiver's call."""


#: The watches in force, for the whole process.
watches: list[Watch] = []
