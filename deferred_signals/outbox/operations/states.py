"""The conditions of states, by what indexes have: for all who count or list rows of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.outbox.dialects import Term

if TYPE_CHECKING:
    from deferred_signals.outbox.dialects import Dialect

__all__ = ["CLAIMED", "DEAD", "QUEUED", "column_of", "leased", "running"]

DEAD = Term("dead_at IS NOT NULL")
#: A row that is woken has a ``due_at``: that is said for MariaDB, which else would read dead letters first.
QUEUED = Term("woken_at IS NOT NULL AND due_at IS NOT NULL")
#: A row that somebody runs. `claimed_by IS NOT NULL` would say the same, but PostgreSQL has counted how few
#: such rows there are, and then reads the whole table for them where most rows are queued. It knows nothing
#: of this expression, and so reads the index on ``due_at`` until it has enough.
CLAIMED = Term("COALESCE(claimed_by, '') <> ''")


def leased(dialect: Dialect) -> Term:
    """Tell when a row that runs is due: the end lets the index leave out what waits for longer than a lease."""
    now, lease = dialect.bound(), dialect.bound(conf.current().OUTBOX.LEASE)
    return Term(f"due_at > {now.sql} AND due_at <= {lease.sql}", (*now.values, *lease.values))


def running(dialect: Dialect) -> Term:
    """Tell what runs."""
    due = leased(dialect)
    return Term(f"woken_at IS NULL AND {due.sql} AND {CLAIMED.sql}", due.values)


def column_of(state: Term) -> str:
    """Return the column by which the index of a state has its rows: whoever orders by it reads no others."""
    return "dead_at" if state == DEAD else "due_at"
