"""A connection to the broker that was made: bounded, with confirms where the broker gives them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deferred_signals.publishing.channel import Outlet
from deferred_signals.publishing.confirms import Confirms
from deferred_signals.publishing.rabbitmq import has_news

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

__all__ = ["Link"]


class Link:
    """Made when it is created.

    Arguments:
        app: whose settings say where the broker is.
        patience: seconds that the broker has for each of its replies.
        within: seconds after which no further try to connect begins; None: after the last broker.

    Attributes:
        connection: kombu's.
        outlet: the way into it.
        confirms: what RabbitMQ has yet to confirm; None with other brokers.
        is_bounded: the driver waits no longer than ``patience``.

    Raises:
        Exception: the broker, or each of several, cannot be connected to.
    """

    def __init__(self, app: Celery, patience: float, within: float | None) -> None:
        self.connection: Connection = app.connection_for_write()
        bounds = _bounds(self.connection.transport.driver_type, patience)
        self.is_bounded = bool(bounds)
        self.connection.connect_timeout = patience
        options = self.connection.transport_options or {}
        self.connection.transport_options = {**options, **bounds}
        try:
            channel = self._connect(within)
            self.confirms = Confirms(channel) if hasattr(channel, "confirm_select") else None
            self.outlet = Outlet(channel)
        except BaseException:
            self.collect()
            raise

    def _connect(self, within: float | None) -> Any:
        # Once round all its URLs, without a pause; to kombu, 0 means to try for ever.
        tries = max(1, len(self.connection.alt) - 1)
        timeout: Any = within  # its stubs want whole seconds
        self.connection.ensure_connection(
            max_retries=tries, interval_start=0, interval_step=0, timeout=timeout
        )
        return self.connection.default_channel

    def collect(self) -> None:
        """Let go of the connection without a word to the broker, which might not answer."""
        with suppress(Exception):  # it is broken as often as not
            self.connection.collect()

    def is_fresh(self) -> bool:
        """Whether the broker has not closed it since the last flush, as far as one can see.

        Redis' driver looks by itself whenever it takes a connection.
        """
        if self.confirms is None:
            return True
        try:
            while has_news(self.connection):
                with suppress(TimeoutError):
                    self.connection.drain_events(timeout=0)
        except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
            return False
        return True

    def refusal(self, error: Exception) -> Exception | None:
        """The broker's own no, where that is what an error is: it is there, and did answer."""
        refusals: Any = self.connection.channel_errors
        for found in (error, error.__cause__):
            if isinstance(found, Exception) and isinstance(found, refusals):
                return found
        return None


def _bounds(driver: str, patience: float) -> dict[str, Any]:
    """Transport options by which no call to a broker waits for ever, or is repeated unasked."""
    if driver == "redis":
        return {
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "retry_on_timeout": False,
        }
    if driver == "amqp":
        return {"read_timeout": patience, "write_timeout": patience, "confirm_publish": False}
    return {}
