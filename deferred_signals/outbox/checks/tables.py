"""W015, W016: the table in a database that ``check --database`` or ``migrate`` names.

They are warnings, so that neither ends a deployment that checks first and migrates then.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.core.management.base import BaseCommand
from django.core.management.commands import migrate
from django.db import router
from django.db.migrations.executor import MigrationExecutor

from deferred_signals.checks.common import listed, message
from deferred_signals.outbox.checks.databases import supported
from deferred_signals.outbox.models import TABLE, OutboxMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.base.base import BaseDatabaseWrapper

__all__ = ["check"]

APP = OutboxMessage._meta.app_label


def check(alias: str) -> Iterator[CheckMessage]:
    """Check a database, if it is to carry the table."""
    connection = supported().get(alias)
    if connection is None:
        return
    schemas, unapplied = _schemas(connection), _unapplied(connection)
    with connection.cursor() as cursor:
        is_there = TABLE in connection.introspection.table_names(cursor)
    if not is_there:
        yield from _missing(connection, schemas, unapplied)
    elif unapplied and not _is_migrating():
        yield _old(connection.alias, unapplied)
    if len(schemas) > 1:
        yield _scattered(connection.alias, schemas)


def _schemas(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the schemas that have the table, of those that this user may use, on PostgreSQL."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relname = %s AND c.relkind IN ('r', 'p') "
            "AND n.nspname NOT LIKE 'pg\\_%%' AND has_schema_privilege(n.oid, 'USAGE') "
            "ORDER BY n.nspname",
            [TABLE],
        )
        return [schema for (schema,) in cursor.fetchall()]


def _unapplied(connection: BaseDatabaseWrapper) -> list[str] | None:
    """Return the outbox's migrations that a database does not note as applied.

    None: the project has switched them off, by MIGRATION_MODULES.
    """
    executor = MigrationExecutor(connection)
    last = executor.loader.graph.leaf_nodes(APP)
    if not last:
        return None
    plan = executor.migration_plan(last)
    return [migration.name for migration, _backwards in plan if migration.app_label == APP]


def _is_migrating() -> bool:
    """Return whether ``migrate`` has this check run, before it applies what is missing."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is _CHECK and isinstance(frame.f_locals.get("self"), migrate.Command):
            return True
        frame = frame.f_back
    return False


_CHECK = BaseCommand.check.__code__


def _missing(
    connection: BaseDatabaseWrapper, schemas: list[str], unapplied: list[str] | None
) -> Iterator[CheckMessage]:
    alias, where = connection.alias, ""
    remedy = f"manage.py migrate --database {alias}"
    if unapplied is None:
        remedy = f"{remedy} --run-syncdb"
    elif not unapplied:
        remedy = f"{remedy} {APP} zero --fake, and then {remedy} {APP}"
    if schemas:
        where = f" (it is in {listed(schemas)}, outside of the search path)"
        hint = "Add the schema to the search path of this connection, or run migrate with its own."
    elif not router.allow_migrate_model(alias, OutboxMessage):
        hint = (
            f"allow_migrate() of a database router keeps the table out. Let it answer True for the app "
            f"{APP!r} and {alias!r}, and run {remedy}."
        )
    elif unapplied == []:
        hint = f"The database notes the migration as applied. Run {remedy}."
    elif _is_migrating():
        return
    else:
        hint = f"Run {remedy}."
    yield message(
        Warning,
        "W015",
        f"Database {alias!r} does not have the table of durable messages, {TABLE}{where}: each "
        f"transaction with such a message fails.",
        hint,
    )


def _old(alias: str, unapplied: list[str]) -> CheckMessage:
    return message(
        Warning,
        "W015",
        f"The table of durable messages in database {alias!r} is of another version: migrations of "
        f"{APP} are not applied ({listed(unapplied)}).",
        f"Run manage.py migrate --database {alias} {APP}.",
    )


def _scattered(alias: str, schemas: list[str]) -> CheckMessage:
    return message(
        Warning,
        "W016",
        f"Database {alias!r} has the table of durable messages in several schemas "
        f"({listed(schemas)}): a row is written to the one that comes first in the search path of its "
        f"transaction, and no relay looks for it in another.",
        "Let one schema that is in every search path have the table: with a schema for each tenant, "
        "the app belongs to the shared apps. Move the rows of the other tables, and drop those.",
    )
