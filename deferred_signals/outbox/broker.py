"""What a relay asks of the broker, and of the worker that it is a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deferred_signals.publishing import lines, queues
from deferred_signals.publishing.waking import alone, try_to_wake
from deferred_signals.worker.rows import last_received

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.publishing.patterns import Route
    from deferred_signals.publishing.waking import Waking
    from deferred_signals.worker.rows import Received

__all__ = ["Broker", "CurrentBroker"]


class Broker(Protocol):
    """The broker, as a relay sees it."""

    def is_away(self) -> bool:
        """Return whether the broker is known to take nothing at the moment."""

    def publish(self, wakings: Sequence[Waking]) -> Mapping[str, BaseException]:
        """Publish wake-ups; return the ids of those that the broker may not have, and why."""

    def route_of(self, waking: Waking) -> tuple[Route, str | None]:
        """Return the route of a wake-up, and the one queue that it leads to, if there is one.

        Raises:
            Exception: a route of the project's refuses.
        """

    def has_ready(self, queue: str) -> bool | None:
        """Return whether messages wait in a queue; None where the broker does not tell.

        Raises:
            Exception: the broker is away.
        """

    def last_received(self, route: Route) -> Received | None:
        """Return what this worker has received by a route; None: nothing."""


class CurrentBroker:
    """The broker of the current Celery app."""

    def is_away(self) -> bool:
        """Return whether the breaker of the line is open."""
        return lines.is_away()

    def publish(self, wakings: Sequence[Waking]) -> Mapping[str, BaseException]:
        """Publish wake-ups, and wait for the broker."""
        return try_to_wake(wakings)

    def route_of(self, waking: Waking) -> tuple[Route, str | None]:
        """Ask Celery's own router."""
        return queues.route_of(alone(waking))

    def has_ready(self, queue: str) -> bool | None:
        """Ask the broker, on a connection of its own."""
        return queues.has_ready(queue)

    def last_received(self, route: Route) -> Received | None:
        """Ask the worker's parent, which is this process."""
        return last_received(route)
