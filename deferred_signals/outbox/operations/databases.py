"""The databases that an operation is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from deferred_signals import conf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["connections_of"]


def connections_of(using: str | None) -> Sequence[BaseDatabaseWrapper]:
    """Return Django's connections to the outbox's databases.

    Arguments:
        using: alias of one of them; None: all.

    Raises:
        ValueError: the database has no outbox.
    """
    databases = conf.current().OUTBOX.DATABASES
    if using is not None and using not in databases:
        raise ValueError(
            f"The database {using!r} has no outbox: DEFERRED_SIGNALS['OUTBOX']['DATABASES'] has "
            f"{', '.join(databases)}."
        )
    return [connections[alias] for alias in (databases if using is None else (using,))]
