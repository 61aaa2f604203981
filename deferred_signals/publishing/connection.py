"""A connection to the broker, by kombu: made, proved, declared on, dropped.

Threads take turns with a connection: nothing in here is made for two at a time. Everything in here
may hang for some seconds. `deferred_signals.publishing.line` bounds what a commit notices of that.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.common import maybe_declare

from deferred_signals.publishing.channel import Channel
from deferred_signals.publishing.clients import bound, connected, let_go, ping, refusal_in
from deferred_signals.publishing.patterns import Publication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import kombu
    from celery import Celery

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
        #: kombu's connection, and the channel on it; None while there is no connection.
        self._client: kombu.Connection | None = None
        self._channel: Channel | None = None
        self._declared: set[Any] = set()
        #: A commit's thread may write here: its deadline will be met.
        self._is_bounded = False
        self._used = 0.0

    @property
    def is_recent(self) -> bool:
        """Return whether there is a connection that was used a moment ago."""
        return self._client is not None and monotonic() - self._used < RECENT

    @property
    def has_begun(self) -> bool:
        """Return whether anything may have been sent of what was written last."""
        return self._channel is None or self._channel.has_begun

    @property
    def channel(self) -> Channel:
        """Return the channel to write on, once `ensure` was called."""
        assert self._channel is not None  # noqa: S101 - see above
        return self._channel

    def is_ready(self, publications: Sequence[Publication | Copy]) -> bool:
        """Return whether publishing takes one round trip, and nothing that the line could not bound.

        That is so on a connection that was used a moment ago, on which everything is declared.
        """
        channel = self._channel
        if channel is None or not self._is_bounded or monotonic() - self._used >= RECENT:
            return False
        for publication in publications:
            if not self._declared.issuperset(publication.declare):
                return False
        if channel.confirms is None:
            return True
        return channel.together(publications) == len(publications) and self._is_usable()

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
            self._channel = Channel(client, connected(client, within))
        except BaseException:
            let_go(client)
            raise
        self._client = client
        self._is_bounded = is_bounded and self._channel.may_be_left
        self._declared = set()
        self._used = monotonic()

    def drop(self) -> None:
        """Let go of the connection without telling the broker, which might not answer."""
        dropped, self._client = self._client, None
        self._channel = None
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
        channel = self._channel
        if channel is not None:
            with suppress(Exception):  # it may just be done
                channel.shut()

    def prove(self, patience: float) -> None:
        """Check that the broker takes messages, and not only connections.

        RabbitMQ accepts connections but takes no messages while its memory or disk is full. It stops
        reading at a message's body, so it would still confirm a message that has none.

        Arguments:
            patience: seconds for the answer.

        Raises:
            Exception: the broker does not answer.
        """
        channel = self.channel
        if channel.confirms is None:
            ping(channel.channel)
        else:
            nothing = {"exchange": "", "routing_key": NOWHERE}
            try:
                channel.write([Publication("are you there?", nothing)], _ignore)
                if not channel.collect(_ignore, monotonic() + patience):
                    raise TimeoutError(f"the broker gave no answer for {patience:g} s")  # noqa: TRY301 - as a driver would
            except Exception as error:
                # A user who may not publish there has been answered.
                if self._refusal(error) is None:
                    raise
                self._open_again()
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
            try:
                maybe_declare(entity, self.channel.channel)
            except Exception as error:
                refusal = self._refusal(error)
                if refusal is None:
                    raise
                refused[id(entity)] = refusal
                if self.channel.confirms is not None:  # RabbitMQ has closed the channel
                    self._open_again()
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

    def collect(self, settle: Settle, begin_again: Callable[[int], object], until: float) -> bool:
        """Settle what was written, as the broker answers. Return whether all of it has an answer.

        Arguments:
            settle: is called with each answer.
            begin_again: is called with the place from which on the broker has dropped everything.
            until: when to wait no longer, by `time.monotonic`. It can be called again then.

        Raises:
            Exception: the broker is gone. What was not settled may have arrived or not.
        """
        channel = self._channel
        assert channel is not None  # noqa: S101 - something was written on it
        try:
            if not channel.collect(settle, until):
                return False
        except Exception as error:
            refusal = self._refusal(error)
            if refusal is None or channel.confirms is None:
                raise
            # What stood before the refused message, and has no confirm, may have arrived or not.
            lost, rest = channel.divided(refusal)
            settle(lost[:-1], refusal, is_certain=False)
            settle(lost[-1:], refusal)
            if rest is not None:
                begin_again(rest)
            self._open_again()
        self._used = monotonic()
        return True

    def _open_again(self) -> None:
        """Open another channel: RabbitMQ has closed this one with its refusal."""
        assert self._client is not None  # noqa: S101 - it has just refused something
        self._channel = Channel(self._client, self._client.channel())

    def _refusal(self, error: Exception) -> Exception | None:
        """Return the broker's refusal, if an error is one: then the broker is there, and answers."""
        if self._client is None:
            return None
        refusals: Any = self._client.channel_errors
        return refusal_in(error, refusals)

    def _is_usable(self) -> bool:
        """Return whether there is a connection that the broker has not closed; drop one that it has.

        Redis' driver checks by itself whenever it takes a connection.
        """
        if self._channel is not None and self._channel.confirms is not None:
            try:
                self._channel.confirms.catch_up()
            except Exception:  # noqa: BLE001 - whatever it is, a new connection is free of it
                self.drop()
        return self._client is not None


def _ignore(
    places: Collection[int], error: Exception | None = None, *, is_certain: bool = True
) -> None:
    """Settle a message that nobody sent."""
