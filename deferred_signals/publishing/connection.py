"""A connection to the broker, by kombu: made, tried, proved, published on, dropped.

Threads take turns with a connection: nothing in here is made for two at a time. Everything in here
may hang for some seconds. `deferred_signals.publishing.line` bounds what a commit notices of that.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.common import maybe_declare

from deferred_signals import conf
from deferred_signals.publishing.bounds import bound
from deferred_signals.publishing.channel import Channel
from deferred_signals.publishing.confirms import Confirms
from deferred_signals.publishing.patterns import Publication

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import kombu
    from celery import Celery

    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Copy

__all__ = ["Connection"]

#: Seconds that a broker has for each of its replies, where a commit's own patience is shorter.
LEAST_PATIENCE = 1.0

#: Seconds after its last use in which no driver asks a connection whether it is still alive.
RECENT = 15.0

#: A queue that does not exist: RabbitMQ drops what is published to it, and confirms that it did.
NOWHERE = "deferred_signals.nowhere"


class Connection:
    """A connection to the broker, which can be made again after it was dropped.

    Arguments:
        app: the Celery app whose settings say where the broker is.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        #: kombu's connection, its channel, and RabbitMQ's confirms; None while there is no connection.
        self._client: kombu.Connection | None = None
        self._channel: Channel | None = None
        self._confirms: Confirms | None = None
        self._declared: set[Any] = set()
        self._patience = LEAST_PATIENCE
        #: The driver waits for each reply no longer than the patience.
        self._is_bounded = False
        self._used = 0.0

    def connect(self, within: float | None = None) -> None:
        """Ensure that there is a usable connection, without a round trip to check it.

        Arguments:
            within: seconds after which no further try to connect begins; None: after the last broker.

        Raises:
            Exception: the broker, or each of several, cannot be connected to.
        """
        if self._is_usable():
            return
        self._patience = max(conf.current().PUBLISH_TIMEOUT, LEAST_PATIENCE)
        self._declared = set()
        client = self._app.connection_for_write()
        self._is_bounded = bound(client, self._patience)
        try:
            opened = _connected(client, within)
            confirms = Confirms(client, opened) if hasattr(opened, "confirm_select") else None
            channel = Channel(opened)
        except BaseException:
            _collect(client)
            raise
        self._client, self._channel, self._confirms = client, channel, confirms

    def is_ready(self, publications: Sequence[Publication | Copy]) -> bool:
        """Return whether publishing takes one round trip, and at most one time-out if the broker hangs.

        It does on a connection that was used a moment ago, on which everything is declared, and
        whose driver waits for a reply no longer than a commit would.
        """
        return (
            self._client is not None
            and self._is_bounded
            and self._patience <= conf.current().PUBLISH_TIMEOUT
            and monotonic() - self._used < RECENT
            and all(
                entity in self._declared
                for publication in publications
                for entity in publication.declare
            )
            and self._is_usable()
        )

    def drop(self) -> None:
        """Let go of the connection without telling the broker, which might not answer."""
        dropped, self._client = self._client, None
        self._channel = self._confirms = None
        if dropped is not None:
            _collect(dropped)

    def prove(self) -> None:
        """Check that the broker takes messages, and not only connections.

        RabbitMQ accepts connections but takes no messages while its memory or disk is full. It stops
        reading at a message's body, so it would still confirm a message that has none.

        Raises:
            Exception: the broker does not take messages.
        """
        _, channel = self._made()
        if self._confirms is not None:
            nothing = {"exchange": "", "routing_key": NOWHERE}
            channel.publish(Publication("are you there?", nothing))
            self._confirms.expect(0)
            self._confirms.wait(_ignore, self._patience)

    def publish(self, publications: Sequence[Publication | Copy], settle: Settle) -> None:
        """Publish in order on the connection, and wait for the broker's answer once.

        A publication that the broker or a serializer refuses is settled with the error, and the
        others go on.

        Raises:
            Exception: the broker is gone. What was not settled may have arrived or not.
        """
        unsettled = set(range(len(publications)))

        def settle_once(places: Collection[int], error: Exception | None = None) -> None:
            unsettled.difference_update(places)
            settle(places, error)

        try:
            self._publish(publications, self._declare(publications), settle_once)
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is None:
                raise
            self.drop()
            settle(unsettled, refusal)

    def _publish(
        self,
        publications: Sequence[Publication | Copy],
        refused: dict[int, Exception],
        settle: Settle,
    ) -> None:
        client, channel = self._made()
        confirms = self._confirms
        gone: Any = (*client.connection_errors, *client.channel_errors, OSError)
        held_back = []
        with channel.batch(len(publications)) as batch:
            for place, publication in enumerate(publications):
                if refused and (error := _first(refused, publication.declare)) is not None:
                    settle((place,), error)
                    continue
                try:
                    channel.publish(publication)
                except gone:
                    raise
                except Exception as error:  # noqa: BLE001 - a serializer's, above all
                    settle((place,), error)
                    continue
                if confirms is not None:
                    confirms.expect(place)
                elif batch.holds_back:
                    held_back.append(place)
                else:
                    settle((place,))
        if held_back:
            settle(held_back)
        if confirms is not None:
            confirms.wait(settle, self._patience)
        self._used = monotonic()

    def _declare(self, publications: Sequence[Publication | Copy]) -> dict[int, Exception]:
        """Declare queues and exchanges, each once a connection; return the refusals, by entity's id."""
        refused = {}
        entities = {
            id(entity): entity for publication in publications for entity in publication.declare
        }
        for entity in entities.values():
            if entity in self._declared:
                continue
            _, channel = self._made()
            try:
                maybe_declare(entity, channel.channel)
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

    def _made(self) -> tuple[kombu.Connection, Channel]:
        assert self._client is not None  # noqa: S101 - connect() was called
        assert self._channel is not None  # noqa: S101 - both are made and dropped together
        return self._client, self._channel

    def _refusal(self, error: Exception) -> Exception | None:
        """Return the broker's refusal, if an error is one: then the broker is there, and answers."""
        if self._client is None:
            return None
        refusals: Any = self._client.channel_errors
        for found in (error, error.__cause__):
            if isinstance(found, Exception) and isinstance(found, refusals):
                return found
        return None

    def _is_usable(self) -> bool:
        """Return whether there is a connection that the broker has not closed; drop one that it has.

        Redis' driver checks by itself whenever it takes a connection.
        """
        if self._confirms is not None:
            try:
                self._confirms.catch_up()
            except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
                self.drop()
        return self._client is not None


def _connected(client: kombu.Connection, within: float | None) -> Any:
    """Connect, and return kombu's channel: each of the broker's URLs is tried once, without a pause."""
    tries = max(1, len(client.alt) - 1)  # to kombu, 0 means to try for ever
    timeout: Any = within  # its stubs want whole seconds
    client.ensure_connection(max_retries=tries, interval_start=0, interval_step=0, timeout=timeout)
    return client.default_channel


def _collect(client: kombu.Connection) -> None:
    with suppress(Exception):  # it is broken as often as not
        client.collect()


def _ignore(places: Collection[int], error: Exception | None = None) -> None:
    """Settle a message that nobody sent."""


def _first(refused: dict[int, Exception], wanted: Sequence[Any]) -> Exception | None:
    return next((refused[id(entity)] for entity in wanted if id(entity) in refused), None)
