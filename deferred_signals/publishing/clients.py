"""kombu's connections: bounded, made, asked whether the broker is there, and let go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu import Connection

__all__ = ["bound", "connected", "let_go", "ping", "refusal_in"]


def bound(client: Connection, patience: float) -> bool:
    """Bound each reply that a connection waits for; return whether its driver is known to obey.

    Arguments:
        client: a connection that is not yet made.
        patience: seconds that the broker has for each of its replies.
    """
    given = client.transport_options or {}
    bounds = _transport_options(client.transport.driver_type, patience, given)
    client.connect_timeout = patience
    client.transport_options = {**given, **bounds}
    return bool(bounds)


def _transport_options(driver: str, patience: float, given: Mapping[str, Any]) -> dict[str, Any]:
    if driver == "redis":
        bounds = {"socket_timeout": patience, "socket_connect_timeout": patience}
        sentinels = {**bounds, "retry": _once(), **(given.get("sentinel_kwargs") or {})}
        return {**bounds, "retry_on_timeout": False, "sentinel_kwargs": sentinels}
    if driver == "amqp":
        # `Confirms` asks for confirms itself.
        return {"read_timeout": patience, "write_timeout": patience, "confirm_publish": False}
    return {}


def _once() -> Any:
    """Return the policy by which redis-py asks a sentinel once.

    Its own would ask one that is away four times, with pauses of some seconds, before the next one.
    """
    from redis.backoff import NoBackoff  # noqa: PLC0415 - only projects on Redis have it
    from redis.retry import Retry  # noqa: PLC0415 - the same

    return Retry(NoBackoff(), 0)


def connected(client: Connection, within: float | None) -> Any:
    """Connect, and return kombu's channel: each of the broker's URLs is tried once, without a pause."""
    tries = max(1, len(client.alt) - 1)  # to kombu, 0 means to try for ever
    timeout: Any = within  # its stubs want whole seconds
    client.ensure_connection(max_retries=tries, interval_start=0, interval_step=0, timeout=timeout)
    return client.default_channel


def ping(channel: Any) -> None:
    """Ask Redis whether it is there; a broker of another kind is asked when it is published to."""
    if hasattr(channel, "conn_or_acquire"):
        with channel.conn_or_acquire() as redis:
            redis.ping()


def let_go(client: Connection) -> None:
    """Let go of a connection without telling the broker, which might not answer."""
    with suppress(Exception):  # it is broken as often as not
        client.collect()


def refusal_in(error: Exception, refusals: tuple[type[Exception], ...]) -> Exception | None:
    """Return the broker's refusal, if an error is one: then the broker is there, and answers.

    Arguments:
        error: what kombu or a driver raised.
        refusals: the ``channel_errors`` of the connection.
    """
    for found in (error, error.__cause__):
        if isinstance(found, Exception) and isinstance(found, refusals):
            return found
    return None
