"""A clock that a simulation moves, and which the outbox's own statements read as the database's.

PostgreSQL finds another `clock_timestamp()` and `statement_timestamp()` first, MariaDB and MySQL have a
setting for it, and on SQLite the outbox takes the time from the connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection as default
from django.db.backends.base.base import BaseDatabaseWrapper

from deferred_signals.outbox.store import Store

FUNCTION = """
    CREATE SCHEMA IF NOT EXISTS simulated;
    CREATE OR REPLACE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT to_timestamp(current_setting('simulated.now')::float8) $$;
    CREATE OR REPLACE FUNCTION simulated.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT to_timestamp(current_setting('simulated.now')::float8) $$
"""

#: Its functions are found before PostgreSQL's own. Nothing of a simulation need survive a crash.
PATH = "SET search_path = simulated, public, pg_catalog; SET synchronous_commit = off"


class Clock:
    """A time in seconds since the epoch."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class ClockedStore(Store):
    """Lend connections whose databases read a clock of ours."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    @contextmanager
    def connection(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        with super().connection(alias) as connection:
            self._set(connection)
            yield connection

    def _set(self, connection: Any) -> None:
        was = getattr(connection, "clock_was", None)
        if was == self._clock.now:
            return
        connection.clock_was = self._clock.now
        if connection.vendor == "sqlite":
            connection.clock = self._clock
            return
        with connection.cursor() as cursor:
            if connection.vendor == "mysql":
                cursor.execute("SET timestamp = %s", [self._clock.now])
                return
            if was is None:
                cursor.execute(PATH)
            cursor.execute("SELECT set_config('simulated.now', %s, false)", [repr(self._clock.now)])


@contextmanager
def movable_time() -> Iterator[None]:
    """Prepare the test database for clocks that are moved."""
    if default.vendor != "postgresql":
        yield
        return
    with default.cursor() as cursor:
        cursor.execute(FUNCTION)
    yield
    with default.cursor() as cursor:
        cursor.execute("DROP SCHEMA simulated CASCADE")
