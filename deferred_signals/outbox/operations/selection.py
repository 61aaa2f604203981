"""Say which dead letters are meant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from deferred_signals.outbox.dialects import Term, places
from deferred_signals.support.validators import Unfit, or_none, text, validated

if TYPE_CHECKING:
    from deferred_signals.outbox.dialects import Dialect

__all__ = ["Selection", "checked_id"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Dead letters for which all holds that is given; all of them where nothing is.

    Arguments:
        ids: their ids, as texts or UUIDs; an empty list means no letter.
        receiver: the receiver's name.
        subject: label and key of the first row that they refer to, as "shop.Order 7".
        error: a text that is part of what they tell of their failures, as an exception's name.
        since: they have been dead from this moment on; one without a zone is of Django's own zone.
        until: they were dead before this moment.

    Raises:
        ValueError: a text is no id, or a value is of another kind.

    >>> print(Selection(receiver="shop.receivers.book", error="TimeoutError"))
    receiver=shop.receivers.book, error=TimeoutError
    """

    ids: Collection[str | UUID] | None = None
    receiver: str | None = None
    subject: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, validator in _VALIDATORS.items():
            value = validated(f"Selection({name}=)", getattr(self, name), validator, ValueError)
            object.__setattr__(self, name, value)

    def condition(self, dialect: Dialect) -> Term:
        """Write the condition on a row of the table, for which it has to be dead."""
        parts = [Term("dead_at IS NOT NULL")]
        if self.ids is not None:
            ids = tuple(dialect.id(str(id_)) for id_ in self.ids)
            parts.append(Term(f"id IN ({places(ids)})", ids) if ids else Term("1 = 0"))
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
        given = {name: value for name, value in vars(self).items() if value is not None}
        if self.ids is not None:
            given["ids"] = " ".join(map(str, self.ids)) or "none"
        return ", ".join(f"{name}={value}" for name, value in given.items()) or "all"


def checked_id(id_: object) -> str:
    """Return an id as messages write it.

    Raises:
        ValueError: it is no id of a durable message.
    """
    try:
        return str(UUID(str(id_)))
    except ValueError:
        raise ValueError(
            f"{id_!r} is no id of a durable message: those are UUIDs, as logs and `Deferred.id` "
            f"show them."
        ) from None


def _ids(value: object) -> tuple[str, ...]:
    """Accept several ids; a single text, which has several letters, is not meant."""
    if not isinstance(value, Collection) or isinstance(value, (str, bytes)):
        raise Unfit("a list of ids", value)
    return tuple(map(checked_id, value))


def _text(value: object) -> str:
    if not (isinstance(value, str) and value):
        raise Unfit("a text that is not empty", value)
    return value


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise Unfit("a datetime", value)
    return value


_VALIDATORS = {
    "ids": or_none(_ids),
    "receiver": or_none(text),
    "subject": or_none(_text),
    "error": or_none(_text),
    "since": or_none(_moment),
    "until": or_none(_moment),
}
