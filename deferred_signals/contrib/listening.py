"""Count what lifecycle signals tell, for whichever kind of telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from deferred_signals import events
from deferred_signals.contrib.measures import (
    DEAD,
    DEFERRED,
    KEPT,
    PUBLISH_FAILURES,
    PUBLISHED,
    REDELIVERIES,
    RETRIES,
    RUN_DURATION,
    UNKNOWN,
    WAITED,
)
from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.dispatch import Signal

    from deferred_signals.contrib.measures import Measure
    from deferred_signals.message import Message

__all__ = ["Handlers", "Listening", "Meters", "fate_of"]


class Meters(Protocol):
    """Where figures go."""

    def add(self, measure: Measure, amount: int, *labels: str) -> None:
        """Add to a counter or a level, by the values of its labels."""

    def record(self, measure: Measure, value: float, *labels: str) -> None:
        """Record a value of a histogram."""


class Handlers:
    """Handlers of lifecycle signals that are connected, and disconnected, together."""

    def __init__(self, handlers: Sequence[tuple[Signal, Callable[..., Any]]]) -> None:
        self._handlers = handlers

    def connect(self) -> None:
        """Connect them."""
        for signal, handler in self._handlers:
            signal.connect(handler, weak=False)

    def disconnect(self) -> None:
        """Disconnect them."""
        for signal, handler in self._handlers:
            signal.disconnect(handler)


class Listening(Handlers):
    """Handlers that count.

    Arguments:
        meters: take the figures.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._prepared: set[str] = set()
        meters.add(DEAD, 0, UNKNOWN)
        meters.add(PUBLISH_FAILURES, 0, UNKNOWN, "undeferred")
        super().__init__(
            (
                (events.message_deferred, self._count_deferred),
                (events.message_kept, self._count_kept),
                (events.message_published, self._count_published),
                (events.publish_failed, self._count_failures),
                (events.receiver_started, self._count_started),
                (events.receiver_ran, self._count_ran),
                (events.receiver_retrying, self._count_retry),
                (events.receiver_failed, self._count_dead),
            )
        )

    def _prepare(self, receiver: str) -> None:
        """Begin what alerts look at with 0 for each receiver: a first failure must be an increase."""
        for name in {receiver, *(one.name for one in registry.all_receivers())} - self._prepared:
            self._prepared.add(name)
            for measure in (RETRIES, REDELIVERIES, DEAD):
                self._meters.add(measure, 0, name)
            for fate in ("lost", "outbox"):
                self._meters.add(PUBLISH_FAILURES, 0, name, fate)

    def _count_deferred(self, *, sender: str, durable: bool, **_kwargs: object) -> None:
        if sender not in self._prepared:
            self._prepare(sender)
        self._meters.add(DEFERRED, 1, sender, "durable" if durable else "commit")

    def _count_kept(self, *, sender: str, **_kwargs: object) -> None:
        self._meters.add(KEPT, 1, sender)

    def _count_published(self, *, sender: str, was_kept: bool, **_kwargs: object) -> None:
        self._meters.add(PUBLISHED, 1, sender)
        if was_kept:
            self._meters.add(KEPT, -1, sender)

    def _count_failures(
        self,
        *,
        messages: Sequence[Message],
        exception: Exception,
        was_kept: bool,
        **_kwargs: object,
    ) -> None:
        if not messages:
            self._meters.add(PUBLISH_FAILURES, 1, UNKNOWN, "undeferred")
        for message in messages:
            self._meters.add(PUBLISH_FAILURES, 1, message.receiver, fate_of(exception))
            if was_kept:
                self._meters.add(KEPT, -1, message.receiver)

    def _count_started(
        self, *, sender: str, message: Message, waited: float, **_kwargs: object
    ) -> None:
        if sender not in self._prepared:
            self._prepare(sender)
        if message.redeliveries:
            self._meters.add(REDELIVERIES, 1, sender)
        elif message.attempt == 1:
            self._meters.record(WAITED, waited, sender)

    def _count_ran(self, *, sender: str, duration: float, outcome: str, **_kwargs: object) -> None:
        self._meters.record(RUN_DURATION, duration, sender, outcome)

    def _count_retry(self, *, sender: str, **_kwargs: object) -> None:
        self._meters.add(RETRIES, 1, _known(sender))

    def _count_dead(self, *, sender: str, **_kwargs: object) -> None:
        self._meters.add(DEAD, 1, _known(sender))


def fate_of(exception: Exception) -> str:
    """Tell what became of messages that ``publish_failed`` tells of: ``outbox`` or ``lost``."""
    return "outbox" if getattr(exception, "is_kept", False) else "lost"


def _known(name: str) -> str:
    """Return the name of a receiver that this process has: a message may name anything."""
    found = registry.find(name)
    return UNKNOWN if found is None else found.name
