"""Which rows a list has for each state, and in which order: one that an index of the database has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.outbox.dialects import Term, dialect_of
from deferred_signals.outbox.holding import HELD
from deferred_signals.outbox.on_pause import NOT_PAUSED, PAUSED
from deferred_signals.outbox.operations.states import CLAIMED, DEAD, QUEUED, leased

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.outbox.dialects import Dialect

__all__ = ["Range", "all_of", "range_of"]


class Range(NamedTuple):
    """A part of the table.

    Attributes:
        where: the condition, for which an index is read from one place to another.
        besides: what else holds of the rows; None: nothing. For this, rows are read and left out.
        columns: the order, which is that of the index, and ends with ``id``.
        is_newest_first: whether the list begins with the greatest.
    """

    where: Term
    besides: Term | None
    columns: tuple[str, ...]
    is_newest_first: bool


def all_of(parts: Iterable[Term | None]) -> Term:
    """Write the condition that all of some conditions hold; None holds always."""
    terms = [part for part in parts if part is not None]
    return Term(
        " AND ".join(term.sql for term in terms) or "1 = 1",
        tuple(value for term in terms for value in term.values),
    )


def range_of(connection: BaseDatabaseWrapper, state: str) -> Range:
    """Return the rows of a state; of an empty one all, in the order in which they were sent.

    Living rows are in the order in which they are due. Dead letters, and all rows, begin with the newest.
    """
    if not state:
        return Range(Term("1 = 1"), None, ("id",), is_newest_first=True)
    if state == "dead":
        # The receiver stands before the id in the index.
        return Range(DEAD, None, ("dead_at", "receiver", "id"), is_newest_first=True)
    if state == "queued":
        if connection.vendor == "mysql":  # the index has no condition, and this column instead
            return Range(QUEUED, None, ("due_at", "woken_at", "id"), is_newest_first=False)
        return Range(QUEUED, None, ("due_at", "id"), is_newest_first=False)
    due, besides = _asleep(dialect_of(connection), state)
    where = all_of([Term("woken_at IS NULL AND due_at IS NOT NULL"), due])
    return Range(where, besides, ("due_at", "id"), is_newest_first=False)


#: A row that is held back for a pause: see `deferred_signals.outbox.holding`.
_HELD = f"claimed_by IS NULL AND claimed_at IS NOT NULL AND {PAUSED}"


def _asleep(dialect: Dialect, state: str) -> tuple[Term, Term]:
    """Write when a row of a state is due whose wake-up is not out, and what else holds of it."""
    now = dialect.bound()
    ahead = Term(f"due_at > {now.sql}", now.values)
    if state == "due":
        return Term(f"due_at <= {now.sql}", now.values), Term(NOT_PAUSED)
    if state == "paused":
        held = dialect.bound(HELD)
        return (
            Term(f"due_at <= {held.sql}", held.values),
            Term(f"({PAUSED} AND (due_at <= {now.sql} OR ({_HELD})))", now.values),
        )
    if state == "running":
        return leased(dialect), CLAIMED
    begun = ">" if state == "retrying" else "="
    return ahead, Term(f"attempt {begun} 0 AND claimed_by IS NULL AND NOT ({_HELD})")
