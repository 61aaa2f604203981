"""Plug the outbox in at the ports of the rooms below.

Most processes send no durable message and run none. So what is plugged in is imported when it is first
needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.outbox.checks import register_checks
from deferred_signals.publishing.stores import spill_to
from deferred_signals.sending.durable import keep_durable_in
from deferred_signals.worker.rows import keep_rows_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.sending.durable import Durable
    from deferred_signals.worker.rows import Rows

__all__ = ["plug_in"]


def plug_in() -> None:
    """Let messages be kept in the table, and be run from there; and register the checks."""
    keep_durable_in(_durable)
    keep_rows_in(_rows)
    spill_to(_Store())
    register_checks()


def _durable() -> Durable:
    from deferred_signals.outbox.sending import Outbox  # noqa: PLC0415 - see above

    return Outbox()


def _rows() -> Rows:
    from deferred_signals.outbox.worker import OutboxRows  # noqa: PLC0415 - see above

    return OutboxRows()


class _Store:
    """Keeps messages of commit delivery that could not be published."""

    def spill(self, batch: Sequence[Outgoing]) -> Mapping[str, Exception]:
        """Keep messages; return the ids of those that cannot be kept, and why."""
        from deferred_signals.outbox.keeping import spill  # noqa: PLC0415 - see above

        return spill(batch)
