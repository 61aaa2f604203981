"""A connection to the broker, by kombu: made, tried, published on, dropped.

Nothing in here is shared between threads, and everything in here may hang for some seconds:
`deferred_signals.publishing.lines` bounds what a commit sees of that.
"""

from __future__ import annotations

from contextlib import nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.common import maybe_declare

from deferred_signals import conf
from deferred_signals.publishing.link import Link
from deferred_signals.publishing.rabbitmq import corked

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from celery import Celery

    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Copy, Publication

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
        self._link: Link | None = None
        self._declared: set[Any] = set()
        self._patience = LEAST_PATIENCE
        self._used = 0.0

    def connect(self, within: float | None = None) -> None:
        """Have a connection that works, as far as one can see without asking the broker.

        Arguments:
            within: seconds after which no further try begins.

        Raises:
            Exception: the broker, or each of several, cannot be connected to.
        """
        if self._is_fresh():
            return
        self._patience = max(conf.current().PUBLISH_TIMEOUT, LEAST_PATIENCE)
        self._declared = set()
        self._link = Link(self._app, self._patience, within)

    def is_ready(self, publications: Sequence[Publication | Copy]) -> bool:
        """Whether publishing would take one round trip, and a broker that hangs one time-out.

        That is so on a connection that was used a moment ago, has everything declared, and whose
        driver waits for a reply no longer than a commit would.
        """
        return (
            self._link is not None
            and self._link.is_bounded
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
        dropped, self._link = self._link, None
        if dropped is not None:
            dropped.collect()

    def prove(self) -> None:
        """See that the broker does more than to let itself be connected to.

        RabbitMQ lets everybody connect while it takes no messages, its memory or disk being full. It
        stops reading at a message's body, so it would still confirm one that has none.

        Raises:
            Exception: it does not.
        """
        link = self._connected()
        if link.confirms is not None:
            link.outlet.producer.publish("are you there?", exchange="", routing_key=NOWHERE)
            link.confirms.expect(0)
            link.confirms.wait(link.connection, _ignore, self._patience)

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
        link = self._connected()
        connection, outlet, confirms = link.connection, link.outlet, link.confirms
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

    def _connected(self) -> Link:
        assert self._link is not None  # noqa: S101 - connect() was called
        return self._link

    def _refusal(self, error: Exception) -> Exception | None:
        return None if self._link is None else self._link.refusal(error)

    def _is_fresh(self) -> bool:
        if self._link is not None and not self._link.is_fresh():
            self.drop()
        return self._link is not None


def _ignore(places: Collection[int], error: Exception | None = None) -> None:
    """Settle what nobody sent."""


def _first(refused: dict[int, Exception], wanted: Sequence[Any]) -> Exception | None:
    return next((refused[id(entity)] for entity in wanted if id(entity) in refused), None)
