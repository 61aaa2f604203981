"""Say which dead letters are meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from deferred_signals.outbox.dialects import Term, places

if TYPE_CHECKING:
    from datetime import datetime

    from deferred_signals.outbox.dialects import Dialect

__all__ = ["Selection", "checked_id"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Dead letters for which all holds that is given; all of them where nothing is.

    Arguments:
        ids: their ids; empty: any.
        receiver: the receiver's name.
        subject: label and key of the first row that they refer to, as "shop.Order 7".
        error: a text that is part of what they tell of their failures, as an exception's name.
        since: they have been dead from this moment on; one without a zone is of Django's own zone.
        until: they were dead before this moment.

    >>> print(Selection(receiver="shop.receivers.book", error="TimeoutError"))
    receiver=shop.receivers.book, error=TimeoutError
    """

    ids: tuple[str, ...] = ()
    receiver: str | None = None
    subject: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def check(self) -> None:
        """Look at what was given.

        Raises:
            ValueError: a text is no id.
        """
        for id_ in self.ids:
            checked_id(id_)

    def condition(self, dialect: Dialect) -> Term:
        """Write the condition on a row of the table, for which it has to be dead."""
        parts = [Term("dead_at IS NOT NULL")]
        if self.ids:
            ids = tuple(dialect.id(id_) for id_ in self.ids)
            parts.append(Term(f"id IN ({places(ids)})", ids))
        for column, value in (("receiver", self.receiver), ("subject", self.subject)):
            if value is not None:
                parts.append(Term(f"{column} = %s", (value,)))
        if self.error is not None:
            parts.append(dialect.contains("error", self.error))
        for operator, moment in ((">=", self.since), ("<", self.until)):
            if moment is not None:
                parts.append(Term(f"dead_at {operator} %s", (dialect.moment(moment),)))
        values = tuple(value for part in parts for value in part.values)
        return Term(" AND ".join(part.sql for part in parts), values)

    def __str__(self) -> str:
        given = {name: value for name, value in vars(self).items() if value}
        if self.ids:
            given["ids"] = " ".join(self.ids)
        return ", ".join(f"{name}={value}" for name, value in given.items()) or "all"


def checked_id(text: str) -> str:
    """Return an id as messages write it.

    Raises:
        ValueError: the text is no id of a durable message.
    """
    try:
        return str(UUID(str(text)))
    except ValueError:
        raise ValueError(
            f"{text!r} is no id of a durable message: those are UUIDs, as logs and `Deferred.id` "
            f"show them."
        ) from None
