"""The port of durable delivery: the outbox app plugs in here what keeps messages in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deferred_signals.sending.destinations import Destination, may_raise
from deferred_signals.sending.undeferred import NotKept

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.flush import Flush

__all__ = ["Durable", "durable_way", "keep_durable_in"]


class Durable(Protocol):
    """Durable delivery, which the outbox app plugs in: a message becomes a row of its database.

    Attributes:
        at_commit: takes messages whose rows no commit has written: somebody called its hooks without
            one.
    """

    at_commit: Destination

    def check(self, outgoing: Outgoing) -> None:
        """Refuse a message whose database has no table for it, with `NotKept`."""

    def write(self, outgoing: Outgoing) -> None:
        """Write the row of a message now, as no transaction is open, and wake its receiver."""

    def join(self, connection: BaseDatabaseWrapper, flush: Flush) -> None:
        """Have the messages of a flush written by the COMMIT; one of them has just joined it."""


_durable: Durable | None = None


def keep_durable_in(durable: Durable | None) -> Durable | None:
    """Plug durable delivery in; return what was plugged in until now."""
    global _durable
    before, _durable = _durable, durable
    return before


def durable_way(outgoing: Outgoing, destination: Destination) -> Durable | None:
    """Return how a durable message goes; None where it goes to the destination like any other.

    That is so in this process, and in a test that may not publish.

    Raises:
        NotKept: nothing can keep the message.
    """
    if not outgoing.durable or destination.local or may_raise(destination):
        return None
    if _durable is None:
        raise NotKept(
            f"{outgoing.message.receiver!r} is durable, and no app keeps its messages. Add "
            f"'deferred_signals.outbox' to INSTALLED_APPS, and run migrate."
        )
    _durable.check(outgoing)
    return _durable
