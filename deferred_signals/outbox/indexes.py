"""What the table needs beside its columns, on each kind of database, for its migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Index, Q

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

__all__ = ["prepare", "unprepare"]

_ORDER = ("order_key", "created_at", "position", "id")


def _indexes(vendor: str) -> list[Index]:
    """List the indexes: partial ones where there are such, since most rows are in few of them."""
    if vendor == "mysql":
        return [
            Index(fields=["woken_at", "due_at"], name="deferred_outbox_due"),
            Index(fields=[*_ORDER], name="deferred_outbox_order"),
            Index(fields=["dead_at"], name="deferred_outbox_dead"),
        ]
    is_woken, is_dead = Q(woken_at__isnull=False), Q(dead_at__isnull=False)
    return [
        Index(fields=["due_at"], name="deferred_outbox_woken", condition=is_woken),
        Index(fields=["due_at"], name="deferred_outbox_due", condition=~is_woken),
        Index(fields=[*_ORDER], name="deferred_outbox_order", condition=Q(order_key__isnull=False)),
        Index(fields=["dead_at"], name="deferred_outbox_dead", condition=is_dead),
        Index(fields=["subject"], name="deferred_outbox_subject", condition=is_dead),
    ]


def prepare(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the indexes, and set what the database is told of the table as a whole."""
    model = apps.get_model("deferred_signals_outbox", "OutboxMessage")
    connection = schema_editor.connection
    table = schema_editor.quote_name(model._meta.db_table)
    if connection.vendor == "mysql":
        # Payloads may hold any character, and names of receivers differ by upper and lower case.
        schema_editor.execute(
            f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        )
    elif connection.vendor == "postgresql":
        # Most rows live for less than a second, so the table is to be vacuumed often, and at once.
        schema_editor.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, "
            f"autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0)"
        )
    for index in _indexes(connection.vendor):
        schema_editor.add_index(model, index)


def unprepare(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the indexes; the rest goes with the table."""
    model = apps.get_model("deferred_signals_outbox", "OutboxMessage")
    for index in _indexes(schema_editor.connection.vendor):
        schema_editor.remove_index(model, index)
