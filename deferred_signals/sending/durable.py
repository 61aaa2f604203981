"""The port of durable delivery: the outbox app plugs in here what keeps messages in a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from deferred_signals.support.plug import Plug

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.destinations import Destination
    from deferred_signals.sending.flush import Flush

__all__ = ["Durable", "durable", "keep_durable_in"]


class Durable(Protocol):
    """Durable delivery: a message becomes a row of its database.

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


#: The rows of a transaction are written by the one outbox that its hooks name.
_outbox = Plug["Durable"]()


def keep_durable_in(make: Callable[[], Durable] | None) -> Callable[[], Durable] | None:
    """Plug durable delivery in; return what was plugged in until now.

    Arguments:
        make: is called when the first durable message is sent; None: there is no outbox.
    """
    return _outbox.put(make)


def durable() -> Durable | None:
    """Return what keeps durable messages; None where nothing does."""
    return _outbox.get()
