"""The sending side of durable delivery: what the outbox plugs in where messages are sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import Error, connections

from deferred_signals import conf
from deferred_signals.outbox.at_commit import write_at_commit
from deferred_signals.outbox.dialects import VENDORS
from deferred_signals.outbox.writing import write
from deferred_signals.publishing.reports import Unpublished
from deferred_signals.publishing.spilling import report
from deferred_signals.publishing.waking import wake
from deferred_signals.sending.destinations import Destination
from deferred_signals.sending.undeferred import NotKept
from deferred_signals.support.records import about
from deferred_signals.support.telling import log
from deferred_signals.support.under_test import is_under_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.flush import Flush

__all__ = ["Outbox"]


class Outbox:
    """Keeps durable messages in the table of their own database."""

    def __init__(self) -> None:
        self.at_commit = Destination(self._write_late, local=False)
        self._has_warned = False

    def check(self, outgoing: Outgoing) -> None:
        """Refuse a message whose database has no table for it, with `NotKept`."""
        using, databases = outgoing.message.using, conf.current().OUTBOX.DATABASES
        if using not in databases:
            raise NotKept(
                f"The durable receiver {outgoing.message.receiver!r} waits for a commit on database "
                f"{using!r}, and DEFERRED_SIGNALS['OUTBOX']['DATABASES'] has {', '.join(databases)}: "
                f"a row elsewhere would not be undone with the transaction. Add {using!r}, and run "
                f"migrate --database {using}."
            )
        if (vendor := connections[using].vendor) not in VENDORS:
            raise NotKept(
                f"The durable receiver {outgoing.message.receiver!r} waits for a commit on database "
                f"{using!r}, and the outbox works on PostgreSQL, MySQL, MariaDB and SQLite, not on "
                f"{vendor}. Remove durable=True."
            )

    def write(self, outgoing: Outgoing) -> None:
        """Write the row of a message now, as no transaction is open, and wake its receiver."""
        wake([*write(connections[outgoing.message.using], [outgoing]).values()])

    def join(self, connection: BaseDatabaseWrapper, flush: Flush) -> None:
        """Have the messages of a flush written by the COMMIT; one of them has just joined it."""
        write_at_commit(connection, flush, self.at_commit)

    def _write_late(self, batch: Sequence[Outgoing]) -> None:
        """Write rows that no COMMIT has written: somebody called the hooks of a transaction without one."""
        if not (self._has_warned or is_under_test()):
            self._has_warned = True
            log(
                logging.WARNING,
                "%s durable messages are written after their transaction, not by it: its on_commit() "
                "hooks were called without a commit()",
                len(batch),
                extra=about("written_late"),
            )
        by_alias: dict[str, list[Outgoing]] = {}
        for outgoing in batch:
            by_alias.setdefault(outgoing.message.using, []).append(outgoing)
        for alias, messages in by_alias.items():
            try:
                wakings = write(connections[alias], messages)
            except Error as error:
                if is_under_test():
                    raise
                report([Unpublished(outgoing, error) for outgoing in messages])
            else:
                wake([*wakings.values()])
