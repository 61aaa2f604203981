"""System checks of durable delivery: they tell what would keep rows from being written or delivered.

The outbox's app registers them. Their modules are imported when they are first run.

| module | checks |
|---|---|
| `databases` | deferred_signals.E008 (no such database), deferred_signals.E009 (a kind that is not supported), deferred_signals.E010 (SQLite's transaction mode) |
| `isolation` | deferred_signals.E011 (isolation levels) |
| `receivers` | deferred_signals.E012 (receivers whose database has no outbox) |
| `tables` | deferred_signals.W015 (the table is missing or old), deferred_signals.W016 (it is in several schemas) |
| `deferred_signals.checks.durable` | what must be told where the outbox's app is not installed |
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.core import checks

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["register_checks"]


def register_checks() -> None:
    """Register the checks; doing it again changes nothing."""
    checks.register(check, "deferred_signals")
    checks.register(check_asking, checks.Tags.database)


def check(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Run the checks that ask no database."""
    # Most processes run no checks, and need not import them.
    from deferred_signals import conf  # noqa: PLC0415 - see above
    from deferred_signals.outbox.checks import (  # noqa: PLC0415 - see above
        databases,
        isolation,
        receivers,
    )

    if conf.problems():
        return []
    return [*databases.check(), *isolation.check(), *receivers.check()]


def check_asking(
    *, databases: Iterable[str] | None = None, **_kwargs: Any
) -> list[checks.CheckMessage]:
    """Run the checks that ask databases: those that the command names, and no others.

    A database that cannot be asked, since it is away or its migrations are broken, is no fault of the
    outbox's.
    """
    from deferred_signals import conf  # noqa: PLC0415 - as above
    from deferred_signals.outbox.checks import isolation, tables  # noqa: PLC0415 - as above

    found: list[checks.CheckMessage] = []
    if conf.problems():
        return found
    for alias in databases or ():
        for look in (tables.check, isolation.check_server):
            with suppress(Exception):
                found += look(alias)
    return found
