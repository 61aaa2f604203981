"""A connection to the broker, by kombu: made, tried, published on, dropped.

Nothing in here is shared between threads, and everything in here may hang for some seconds:
`deferred_signals.sending.connection` bounds what a commit sees of that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu import Producer
from kombu.common import maybe_declare

from deferred_signals import conf
from deferred_signals.sending.confirms import Confirms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery
    from kombu import Connection

    from deferred_signals.sending.confirms import Settle
    from deferred_signals.sending.recorder import Publication

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
        self._connection: Connection | None = None
        self._producer: Any = None  # its stubs do not know batch()
        self._confirms: Confirms | None = None
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
        self._connection = connection = self._app.connection_for_write()
        self._patience = patience = max(conf.current().PUBLISH_TIMEOUT, LEAST_PATIENCE)
        bounds = _bounds(connection.transport.driver_type, patience)
        self._bounded = bool(bounds)
        connection.connect_timeout = patience
        connection.transport_options = {**(connection.transport_options or {}), **bounds}
        # Once round all its URLs, without a pause; to kombu, 0 means to try for ever.
        tries = max(1, len(connection.alt) - 1)
        connection.ensure_connection(max_retries=tries, interval_start=0, interval_step=0)
        channel: Any = connection.default_channel
        self._confirms = Confirms(channel) if hasattr(channel, "confirm_select") else None
        self._producer = Producer(channel, auto_declare=False)
        self._declared = set()

    def is_ready(self, publications: Sequence[Publication]) -> bool:
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
                for entity in publication.arguments.get("declare") or ()
            )
            and self._is_fresh()
        )

    def drop(self) -> None:
        """Let go of the connection without a word to the broker, which might not answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is broken as often as not
                connection.collect()

    def prove(self) -> None:
        """See that the broker does more than to let itself be connected to.

        RabbitMQ lets everybody connect while it takes no messages, its memory or disk being full.

        Raises:
            Exception: it does not.
        """
        if self._connection is not None and self._confirms is not None:
            self._producer.publish("", exchange="", routing_key=NOWHERE)
            self._confirms.expect(0)
            self._confirms.wait(self._connection, _ignore, self._patience)

    def publish(self, publications: Sequence[Publication], settle: Settle) -> None:
        """Publish in order on the connection, and wait for the broker's answer once.

        What the broker refuses, or a serializer, is settled with the error, and the others go on.

        Raises:
            Exception: the broker is gone; what was not settled may have arrived or not.
        """
        unsettled = set(range(len(publications)))

        def settle_once(place: int, error: Exception | None = None) -> None:
            unsettled.discard(place)
            settle(place, error)

        try:
            self._send(publications, self._declare(publications), settle_once)
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is None:
                raise
            self.drop()
            for place in sorted(unsettled):
                settle(place, refusal)

    def _send(
        self, publications: Sequence[Publication], refused: dict[int, Exception], settle: Settle
    ) -> None:
        connection, producer, confirms = self._connection, self._producer, self._confirms
        assert connection is not None  # noqa: S101 - connect() was called
        gone: Any = (*connection.connection_errors, *connection.channel_errors, OSError)
        batched = len(publications) > 1 and getattr(producer, "supports_batch_publish", False)
        block: AbstractContextManager[Any] = producer.batch() if batched else nullcontext()
        sent = []
        with block:
            for place, publication in enumerate(publications):
                wanted = publication.arguments.get("declare") or ()
                if refused and (error := _first(refused, wanted)) is not None:
                    settle(place, error)
                    continue
                arguments = {**publication.arguments, "declare": (), "retry": False}
                try:
                    producer.publish(publication.body, **arguments)
                except gone:
                    raise
                except Exception as error:  # noqa: BLE001 - a serializer's, above all
                    settle(place, error)
                    continue
                if confirms is not None:
                    confirms.expect(place)
                elif batched:
                    sent.append(place)
                else:
                    settle(place)
        for place in sent:
            settle(place)
        if confirms is not None:
            confirms.wait(connection, settle, self._patience)
        self._used = monotonic()

    def _declare(self, publications: Sequence[Publication]) -> dict[int, Exception]:
        """Declare queues and exchanges, each once a connection; gives the ids of refused ones."""
        refused = {}
        entities = {
            id(entity): entity
            for publication in publications
            for entity in publication.arguments.get("declare") or ()
        }
        for entity in entities.values():
            if entity in self._declared:
                continue
            try:
                maybe_declare(entity, self._producer.channel)
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

    def _refusal(self, error: Exception) -> Exception | None:
        """The broker's own no, where that is what an error is: it is there, and did answer."""
        if self._connection is not None:
            refusals: Any = self._connection.channel_errors
            for found in (error, error.__cause__):
                if isinstance(found, Exception) and isinstance(found, refusals):
                    return found
        return None

    def _is_fresh(self) -> bool:
        """Whether there is a connection, which the broker has not closed since the last flush.

        Redis' driver looks by itself whenever it takes a connection.
        """
        if self._connection is None or self._confirms is None:
            return self._connection is not None
        try:
            while True:
                self._connection.drain_events(timeout=0)
        except TimeoutError:
            return True
        except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
            self.drop()
            return False


def _ignore(place: int, error: Exception | None = None) -> None:
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
