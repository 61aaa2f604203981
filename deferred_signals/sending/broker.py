"""A connection to the broker, by kombu: made, tried, published on, dropped.

Nothing in here is shared between threads, and everything in here may hang for some seconds:
`deferred_signals.sending.connection` bounds what a commit sees of that.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.common import maybe_declare

from deferred_signals import conf
from deferred_signals.sending.confirms import Confirms
from deferred_signals.sending.outlet import Outlet
from deferred_signals.sending.rabbitmq import corked, has_news

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from celery import Celery
    from kombu import Connection

    from deferred_signals.sending.confirms import Settle
    from deferred_signals.sending.patterns import Copy, Publication

__all__ = ["Broker"]

#: Seconds that a broker has for each of its replies, where a commit's own patience is shorter.
LEAST_PATIENCE = 1.0

#: Seconds after its last use in which no driver asks a connection whether it is still alive.
RECENT = 15.0

#: A queue that is not there: RabbitMQ drops what is published to it, and confirms that it did.
NOWHERE = "deferred_signals.nowhere"


class Broker:
    """One connection, and what is known of it.

    Arguments:
        app: whose settings say where the broker is.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._open: _Open | None = None
        self._declared: set[Any] = set()
        self._patience = LEAST_PATIENCE
        self._bounded = False
        self._used = 0.0

    def connect(self) -> None:
        """Have a connection that works, as far as one can see without asking the broker.

        Raises:
            Exception: the broker, or each of several, cannot be connected to.
        """
        if self._is_fresh():
            return
        self._patience = patience = max(conf.current().PUBLISH_TIMEOUT, LEAST_PATIENCE)
        connection = self._app.connection_for_write()
        bounds = _bounds(connection.transport.driver_type, patience)
        self._bounded = bool(bounds)
        connection.connect_timeout = patience
        connection.transport_options = {**(connection.transport_options or {}), **bounds}
        self._declared = set()
        try:
            self._open = _opened(connection)
        except BaseException:
            _collect(connection)
            raise

    def is_ready(self, publications: Sequence[Publication | Copy]) -> bool:
        """Whether publishing would take one round trip, and a broker that hangs one time-out.

        That is so on a connection that was used a moment ago, has everything declared, and whose
        driver waits for a reply no longer than a commit would.
        """
        return (
            self._bounded
            and self._patience <= conf.current().PUBLISH_TIMEOUT
            and monotonic() - self._used < RECENT
            and all(
                entity in self._declared
                for publication in publications
                for entity in publication.declare
            )
            and self._is_fresh()
        )

    def drop(self) -> None:
        """Let go of the connection without a word to the broker, which might not answer."""
        dropped, self._open = self._open, None
        if dropped is not None:
            _collect(dropped.connection)

    def prove(self) -> None:
        """See that the broker does more than to let itself be connected to.

        RabbitMQ lets everybody connect while it takes no messages, its memory or disk being full.

        Raises:
            Exception: it does not.
        """
        connection, outlet, confirms = self._connected()
        if confirms is not None:
            outlet.producer.publish("", exchange="", routing_key=NOWHERE)
            confirms.expect(0)
            confirms.wait(connection, _ignore, self._patience)

    def publish(self, publications: Sequence[Publication | Copy], settle: Settle) -> None:
        """Publish in order on the connection, and wait for the broker's answer once.

        What the broker refuses, or a serializer, is settled with the error, and the others go on.

        Raises:
            Exception: the broker is gone; what was not settled may have arrived or not.
        """
        unsettled = set(range(len(publications)))

        def settle_once(places: Collection[int], error: Exception | None = None) -> None:
            unsettled.difference_update(places)
            settle(places, error)

        try:
            self._send(publications, self._declare(publications), settle_once)
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is None:
                raise
            self.drop()
            settle(unsettled, refusal)

    def _send(
        self,
        publications: Sequence[Publication | Copy],
        refused: dict[int, Exception],
        settle: Settle,
    ) -> None:
        connection, outlet, confirms = self._connected()
        gone: Any = (*connection.connection_errors, *connection.channel_errors, OSError)
        batched = len(publications) > 1 and outlet.can_batch
        sent = []
        with outlet.batching() if batched else corked(connection) if confirms else nullcontext():
            for place, publication in enumerate(publications):
                if refused and (error := _first(refused, publication.declare)) is not None:
                    settle((place,), error)
                    continue
                try:
                    outlet.publish(publication)
                except gone:
                    raise
                except Exception as error:  # noqa: BLE001 - a serializer's, above all
                    settle((place,), error)
                    continue
                if confirms is not None:
                    confirms.expect(place)
                elif batched:
                    sent.append(place)
                else:
                    settle((place,))
        if sent:
            settle(sent)
        if confirms is not None:
            confirms.wait(connection, settle, self._patience)
        self._used = monotonic()

    def _declare(self, publications: Sequence[Publication | Copy]) -> dict[int, Exception]:
        """Declare queues and exchanges, each once a connection; gives the ids of refused ones."""
        refused = {}
        entities = {
            id(entity): entity for publication in publications for entity in publication.declare
        }
        for entity in entities.values():
            if entity in self._declared:
                continue
            try:
                maybe_declare(entity, self._connected().outlet.channel)
            except Exception as error:
                refusal = self._refusal(error)
                if refusal is None:
                    raise
                refused[id(entity)] = refusal
                self.drop()  # RabbitMQ has closed the channel
                self.connect()
            else:
                if entity.can_cache_declaration:
                    self._declared.add(entity)
        return refused

    def _connected(self) -> _Open:
        assert self._open is not None  # noqa: S101 - connect() was called
        return self._open

    def _refusal(self, error: Exception) -> Exception | None:
        """The broker's own no, where that is what an error is: it is there, and did answer."""
        if self._open is not None:
            refusals: Any = self._open.connection.channel_errors
            for found in (error, error.__cause__):
                if isinstance(found, Exception) and isinstance(found, refusals):
                    return found
        return None

    def _is_fresh(self) -> bool:
        """Whether there is a connection, which the broker has not closed since the last flush.

        Redis' driver looks by itself whenever it takes a connection.
        """
        if self._open is None or self._open.confirms is None:
            return self._open is not None
        try:
            while has_news(self._open.connection):
                with suppress(TimeoutError):
                    self._open.connection.drain_events(timeout=0)
        except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
            self.drop()
            return False
        return True


class _Open(NamedTuple):
    """A connection that was made, and the way into it."""

    connection: Connection
    outlet: Outlet
    confirms: Confirms | None


def _opened(connection: Connection) -> _Open:
    # Once round all its URLs, without a pause; to kombu, 0 means to try for ever.
    tries = max(1, len(connection.alt) - 1)
    connection.ensure_connection(max_retries=tries, interval_start=0, interval_step=0)
    channel: Any = connection.default_channel
    confirms = Confirms(channel) if hasattr(channel, "confirm_select") else None
    return _Open(connection, Outlet(channel), confirms)


def _collect(connection: Connection) -> None:
    with suppress(Exception):  # it is broken as often as not
        connection.collect()


def _ignore(places: Collection[int], error: Exception | None = None) -> None:
    """Settle what nobody sent."""


def _first(refused: dict[int, Exception], wanted: Sequence[Any]) -> Exception | None:
    return next((refused[id(entity)] for entity in wanted if id(entity) in refused), None)


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
