"""What the address of a list of messages asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from deferred_signals import conf
from deferred_signals.outbox.operations.listing import Wanted
from deferred_signals.outbox.operations.selection import checked_id
from deferred_signals.outbox.operations.status import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Asked"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the address of a list asks for.

    Attributes:
        state: one of those that `status` counts; empty: all.
        q: what is searched for: an id; a subject, which has a space; or a part of a receiver's name.
        using: alias of the database.
        after: the place that the page begins behind.
        before: the place that the page ends before.

    >>> asked = Asked(state="dead", q="shop.Order 7")
    >>> asked.wanted
    Wanted(state='dead', receiver='', subject='shop.Order 7')
    >>> asked.query(state="")
    '?q=shop.Order+7'
    """

    state: str = ""
    q: str = ""
    using: str = ""
    after: str = ""
    before: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Asked:
        """Read the parameters of an address; what is none of the possible values is left out."""
        asked = cls(**{name: str(given.get(name, "")).strip() for name in _NAMES})
        databases = conf.current().OUTBOX.DATABASES
        return replace(
            asked,
            state=asked.state if asked.state in STATES else "",
            # A database refuses this character, and no message has it.
            q=asked.q.replace("\0", ""),
            using=asked.using if asked.using in databases else databases[0],
        )

    def query(self, **changes: str) -> str:
        """Write the parameters of an address, from the first page on."""
        values = {**asdict(self), "after": "", "before": "", **changes}
        given = {name: value for name, value in values.items() if value}
        return f"?{urlencode(given)}"

    @property
    def id(self) -> str | None:
        """The id that is searched for, if what is searched for is one."""
        try:
            return checked_id(self.q)
        except ValueError:
            return None

    @property
    def wanted(self) -> Wanted:
        """Return which messages are searched for, where that is not one id."""
        is_subject = " " in self.q
        return Wanted(
            state=self.state,
            receiver="" if is_subject else self.q,
            subject=self.q if is_subject else "",
        )


_NAMES = tuple(field.name for field in fields(Asked))
