"""The hooks that a transaction calls when it is committed: they hand over what was deferred to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.sending.coalesce import coalesced

if TYPE_CHECKING:
    from collections.abc import Callable

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.destinations import Destination

__all__ = ["Flush", "Tail"]


class Flush:
    """The hook that hands over what it gathered when the transaction is committed.

    Attributes:
        destination: what takes the messages.
        closed: no further message may join, since Django has called the hook, or since it is to
            hold a single message.
        tail: the hook that waits for those of its messages that are to be coalesced, if any are.
        count: how many messages were gathered.
        size: the characters of their payloads.
        savepoints_before: how many savepoints the connection had made before the first message joined,
            where somebody asks for it.
    """

    def __init__(self, destination: Destination, *, closed: bool) -> None:
        # Django logs the name of a robust hook that fails, and instances have none.
        self.__qualname__ = type(self).__qualname__
        self.destination = destination
        self.closed = closed
        self.tail: Tail | None = None
        self.count = self.size = 0
        self.savepoints_before: int | None = None
        self._gathered: list[Outgoing] = []
        self._instead: Callable[[], object] | None = None

    def add(self, outgoing: Outgoing) -> None:
        """Take one more message of the same transaction."""
        self._gathered.append(outgoing)
        self.count += 1
        self.size += len(outgoing.payload)

    def become(self, hook: Callable[[], object]) -> None:
        """Forget what was gathered, and call another hook at the commit.

        Arguments:
            hook: is called in this one's place.
        """
        self.closed = True
        self._gathered = []
        self._instead = hook

    @property
    def gathered(self) -> tuple[Outgoing, ...]:
        """Return the messages that still wait for the commit."""
        return tuple(self._gathered)

    def __call__(self) -> None:
        """Hand over what was gathered."""
        if self._instead is not None:
            self._instead()
            return
        self.closed = True
        gathered, self._gathered = self._gathered, []
        if self.tail is not None:
            gathered = self.tail.keep(gathered)
        if gathered:
            self.destination.take(gathered)


class Tail:
    """The hook behind all flushes of a transaction, which hands over what is to be coalesced.

    A flush that Django calls has survived, and so have its messages. A later flush stands behind a
    tail, so a transaction may hold several tails. The last one hands over what all were given.

    Attributes:
        destination: what takes the messages.
        survivors: the messages that this tail, and those before it in the transaction, were given.
        is_last: no other tail stands behind this one.
    """

    def __init__(self, destination: Destination, survivors: list[Outgoing]) -> None:
        self.__qualname__ = type(self).__qualname__
        self.destination = destination
        self.survivors = survivors
        self.is_last = True

    def keep(self, gathered: list[Outgoing]) -> list[Outgoing]:
        """Keep the messages that are to be coalesced, and return the others."""
        self.survivors += [item for item in gathered if item.coalesce_key is not None]
        return [item for item in gathered if item.coalesce_key is None]

    def __call__(self) -> None:
        """Hand over what survived, merged."""
        if self.is_last and self.survivors:
            merged = coalesced(self.survivors)
            self.survivors.clear()
            self.destination.take(merged)
