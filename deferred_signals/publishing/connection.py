"""A connection to the broker, by kombu: made, proved, written to, read from, dropped.

Threads take turns with a connection: nothing in here is made for two at a time. Everything in here
may hang for some seconds. `deferred_signals.publishing.line` bounds what a commit notices of that.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.common import maybe_declare

from deferred_signals.publishing.batches import may_be_left
from deferred_signals.publishing.channel import Channel
from deferred_signals.publishing.clients import bound, connected, let_go, ping
from deferred_signals.publishing.confirms import Confirms
from deferred_signals.publishing.patterns import Publication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import kombu
    from celery import Celery

    from deferred_signals.publishing.batches import Batch
    from deferred_signals.publishing.confirms import Settle
    from deferred_signals.publishing.patterns import Copy

__all__ = ["Connection"]

#: Seconds after its last use in which a connection is taken to work.
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
        #: What was written last, until it is answered.
        self._batch: Batch | None = None
        self._written: Sequence[Publication | Copy] = ()
        #: Why RabbitMQ closed the channel while it was written to, and how many messages were written.
        self._refused: tuple[Exception, int] | None = None
        self._declared: set[Any] = set()
        #: Exchanges to which a message was published and confirmed on this channel.
        self._proven: set[str] = set()
        #: A commit's thread may write here: its deadline will be met.
        self._is_bounded = False
        self._used = 0.0

    @property
    def is_recent(self) -> bool:
        """Return whether there is a connection that was used a moment ago."""
        return self._client is not None and monotonic() - self._used < RECENT

    def is_ready(self, publications: Sequence[Publication | Copy]) -> bool:
        """Return whether publishing takes one round trip, and nothing that the line could not bound.

        That is so on a connection that was used a moment ago, on which everything is declared.
        """
        return (
            self.is_recent
            and self._is_bounded
            and self.together(publications) == len(publications)
            and all(
                entity in self._declared
                for publication in publications
                for entity in publication.declare
            )
            and self._is_usable()
        )

    def ensure(self, patience: float, within: float | None = None) -> None:
        """Ensure that there is a connection that works: an idle one is asked, a broken one replaced.

        Arguments:
            patience: seconds for each of the broker's replies.
            within: seconds after which no further broker of a list is tried; None: all are.

        Raises:
            Exception: the broker, or each of several, cannot be connected to.
        """
        if self._is_usable():
            if self.is_recent:
                return
            try:
                self.prove(patience)
            except Exception:  # noqa: BLE001 - whatever it is, a new connection may be free of it
                self.drop()
            else:
                return
        self._connect(patience, within)

    def _connect(self, patience: float, within: float | None) -> None:
        client = self._app.connection_for_write()
        is_bounded = bound(client, patience)
        try:
            opened = connected(client, within)
            self._open(client, opened)
        except BaseException:
            let_go(client)
            raise
        self._client = client
        self._is_bounded = is_bounded and may_be_left(opened, self._confirms)
        self._declared = set()
        self._used = monotonic()

    def _open(self, client: kombu.Connection, opened: Any) -> None:
        """Use a new channel of kombu's."""
        self._confirms = Confirms(client, opened) if hasattr(opened, "confirm_select") else None
        self._channel = Channel(opened, self._confirms)
        self._proven = set()
        self._batch = self._refused = None

    def drop(self) -> None:
        """Let go of the connection without telling the broker, which might not answer."""
        dropped, self._client = self._client, None
        self._channel = self._confirms = self._batch = self._refused = None
        if dropped is not None:
            let_go(dropped)

    def look_again(self) -> None:
        """Drop a connection that a sentinel named, since the sentinel may name another Redis by now.

        A master that hung, and was replaced meanwhile, takes messages until its sentinel finds it. They
        are lost when it becomes a replica.
        """
        if self._channel is not None and hasattr(self._channel, "master_name"):
            self.drop()

    def shut(self) -> None:
        """Let a thread that waits for the broker fail at once; from another thread."""
        batch = self._batch
        if batch is not None:
            with suppress(Exception):  # it may just be done
                batch.shut()

    def prove(self, patience: float) -> None:
        """Check that the broker takes messages, and not only connections.

        RabbitMQ accepts connections but takes no messages while its memory or disk is full. It stops
        reading at a message's body, so it would still confirm a message that has none.

        Arguments:
            patience: seconds for the answer.

        Raises:
            Exception: the broker does not answer.
        """
        client, channel = self._made()
        if self._confirms is None:
            ping(channel.channel)
        else:
            nothing = {"exchange": "", "routing_key": NOWHERE}
            try:
                self.write([Publication("are you there?", nothing)], _ignore)
                if not self.collect(_ignore, _ignore_place, monotonic() + patience):
                    raise TimeoutError(f"the broker gave no answer for {patience:g} s")  # noqa: TRY301 - as a driver would
            except Exception as error:
                # A user who may not publish there has been answered.
                if self._refusal(error) is None:
                    raise
                self._open(client, client.channel())
        self._used = monotonic()

    def declare(self, publications: Sequence[Publication | Copy]) -> dict[int, Exception]:
        """Declare queues and exchanges, each once a connection.

        Returns:
            Refusals, by the places of the publications that need what was refused.

        Raises:
            Exception: the broker is gone.
        """
        refused: dict[int, Exception] = {}
        entities = {
            id(entity): entity for publication in publications for entity in publication.declare
        }
        for entity in entities.values():
            if entity in self._declared:
                continue
            client, channel = self._made()
            try:
                maybe_declare(entity, channel.channel)
            except Exception as error:
                refusal = self._refusal(error)
                if refusal is None:
                    raise
                refused[id(entity)] = refusal
                if self._confirms is not None:  # RabbitMQ has closed the channel
                    self._open(client, client.channel())
            else:
                if entity.can_cache_declaration:
                    self._declared.add(entity)
        if not refused:
            return {}
        return {
            place: refused[id(entity)]
            for place, publication in enumerate(publications)
            for entity in publication.declare
            if id(entity) in refused
        }

    def together(self, publications: Sequence[Publication | Copy]) -> int:
        """Count the publications, from the first on, that may be written together.

        RabbitMQ answers a message that it refuses by closing the channel, and drops everything that
        was written behind it. So a message to an exchange that has confirmed none on this channel is
        written alone.
        """
        if self._confirms is None:
            return len(publications)
        for place, publication in enumerate(publications):
            if publication.exchange not in self._proven:
                return max(1, place)
        return len(publications)

    def write(self, publications: Sequence[Publication | Copy], settle: Settle) -> None:
        """Write publications, in order; what a serializer refuses is settled with the error.

        So is what a broker refuses that answers each message by itself.

        Raises:
            Exception: the broker is gone. What was not settled may have arrived or not.
        """
        client, channel = self._made()
        gone: Any = (*client.connection_errors, OSError)
        self._written = publications
        with channel.batch() as batch:
            self._batch = batch
            for place, publication in enumerate(publications):
                try:
                    channel.publish(publication)
                except gone:
                    raise
                except Exception as error:  # noqa: BLE001 - a serializer's, above all
                    refusal = self._refusal(error)
                    if refusal is not None and self._confirms is not None:
                        self._refused = refusal, place  # py-amqp reads before it writes
                        break
                    settle((place,), refusal or error)
                else:
                    batch.expect(place)

    def collect(self, settle: Settle, begin_again: Callable[[int], object], until: float) -> bool:
        """Settle what was written, as the broker answers. Return whether all of it has an answer.

        Arguments:
            settle: is called with each answer.
            begin_again: is called with the place from which on the broker has dropped everything.
            until: when to wait no longer, by `time.monotonic`. It can be called again then.

        Raises:
            Exception: the broker is gone. What was not settled may have arrived or not.
        """
        batch = self._batch
        if batch is None:
            return True

        def settle_and_prove(places: Collection[int], error: Exception | None = None) -> None:
            settle(places, error)
            if error is None:
                self._proven.update(self._written[place].exchange for place in places)

        refused = self._refused
        if refused is None:
            try:
                if not batch.collect(settle_and_prove, until):
                    return False
            except Exception as error:
                refusal = self._refusal(error)
                if refusal is None or self._confirms is None:
                    raise
                refused = refusal, len(self._written)
        if refused is not None:
            self._settle_refusal(*refused, settle_and_prove, begin_again)
        self._batch = None
        self._used = monotonic()
        return True

    def _settle_refusal(
        self, refusal: Exception, count: int, settle: Settle, begin_again: Callable[[int], object]
    ) -> None:
        """Find the message for which RabbitMQ has closed the channel, and open another channel.

        What stood before that message, and has no confirm, may have arrived or not.

        Arguments:
            refusal: why RabbitMQ has closed it.
            count: how many messages were written, from the first on.
            settle: is called with the messages that are refused or lost.
            begin_again: is called with the place from which on all were dropped, or not yet written.
        """
        client, _ = self._made()
        assert self._confirms is not None  # noqa: S101 - only RabbitMQ closes channels
        self._confirms.settle(settle)
        lost, dropped = self._confirms.divided(refusal, self._written)
        settle(lost, refusal)
        if dropped or count < len(self._written):
            begin_again(min([*dropped, count]))
        self._open(client, client.channel())

    def _made(self) -> tuple[kombu.Connection, Channel]:
        assert self._client is not None  # noqa: S101 - ensure() was called
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
        if self._confirms is not None and self._client is not None:
            try:
                self._confirms.catch_up()
            except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
                self.drop()
        return self._client is not None


def _ignore(places: Collection[int], error: Exception | None = None) -> None:
    """Settle a message that nobody sent."""


def _ignore_place(place: int) -> None:
    """Send a message that nobody sent no second time."""
