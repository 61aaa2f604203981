"""Bounds: no call to the broker waits for ever, and no driver repeats one unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ["bound"]


def bound(client: Connection, patience: float) -> bool:
    """Bound each reply that a connection waits for; return whether its driver is known to obey.

    Arguments:
        client: a connection that is not yet made.
        patience: seconds that the broker has for each of its replies.
    """
    bounds = _transport_options(client.transport.driver_type, patience)
    client.connect_timeout = patience
    client.transport_options = {**(client.transport_options or {}), **bounds}
    return bool(bounds)


def _transport_options(driver: str, patience: float) -> dict[str, Any]:
    if driver == "redis":
        return {
            "socket_timeout": patience,
            "socket_connect_timeout": patience,
            "retry_on_timeout": False,
        }
    if driver == "amqp":
        # `Confirms` asks for confirms itself.
        return {"read_timeout": patience, "write_timeout": patience, "confirm_publish": False}
    return {}
