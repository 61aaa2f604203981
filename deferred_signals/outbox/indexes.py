"""What the table needs beside its columns, on each kind of database, for its migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Index, Q, UniqueConstraint

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor

__all__ = ["prepare", "unprepare"]

#: By what the rows of one order take their turns.
_PLACE = ("created_at", "position", "id")


def _indexes(vendor: str) -> list[Index]:
    """List the indexes: partial ones where there are such, since most rows are in few of them.

    Where there are none, ``due_at`` comes first: relays look for what is due, which are few rows, whether
    it is woken or not.
    """
    if vendor == "mysql":
        return [
            Index(fields=["due_at", "woken_at"], name="deferred_outbox_due"),
            Index(fields=["order_key", "dead_at", *_PLACE], name="deferred_outbox_order"),
            Index(fields=["dead_at", "receiver"], name="deferred_outbox_dead"),
        ]
    # In the statements' own words: SQLite takes `NOT ... IS NOT NULL` for another condition.
    is_woken, is_asleep = Q(woken_at__isnull=False), Q(woken_at__isnull=True)
    is_dead = Q(dead_at__isnull=False)
    has_a_turn = Q(order_key__isnull=False, dead_at__isnull=True)
    return [
        Index(fields=["due_at"], name="deferred_outbox_woken", condition=is_woken),
        Index(fields=["due_at"], name="deferred_outbox_due", condition=is_asleep),
        Index(fields=["order_key", *_PLACE], name="deferred_outbox_order", condition=has_a_turn),
        Index(fields=["dead_at", "receiver"], name="deferred_outbox_dead", condition=is_dead),
        Index(fields=["subject"], name="deferred_outbox_subject", condition=is_dead),
    ]


def _constraint(vendor: str) -> UniqueConstraint:
    """Return what lets one row of an order run at a time.

    Where it may be partial, a row without an order costs nothing for it. It is not the model's own, as
    Django would make none on MySQL then.
    """
    is_running = None if vendor == "mysql" else Q(running_key__isnull=False)
    return UniqueConstraint(
        fields=["running_key"], name="deferred_outbox_running", condition=is_running
    )


def prepare(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the indexes and the constraint, and set what the database is told of the table as a whole."""
    model = apps.get_model("deferred_signals_outbox", "OutboxMessage")
    connection = schema_editor.connection
    table = schema_editor.quote_name(model._meta.db_table)
    if connection.vendor == "mysql":
        # Payloads may hold any character, and names of receivers differ by upper and lower case.
        pauses = apps.get_model("deferred_signals_outbox", "PausedReceiver")._meta.db_table
        for name in (table, schema_editor.quote_name(pauses)):
            schema_editor.execute(
                f"ALTER TABLE {name} CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            )
    elif connection.vendor == "postgresql":
        # Most rows live for less than a second, so the table is to be vacuumed often, and at once.
        schema_editor.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0, "
            f"autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0)"
        )
    for index in _indexes(connection.vendor):
        schema_editor.add_index(model, index)
    schema_editor.add_constraint(model, _constraint(connection.vendor))


def unprepare(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the indexes and the constraint; the rest goes with the table."""
    model = apps.get_model("deferred_signals_outbox", "OutboxMessage")
    vendor = schema_editor.connection.vendor
    schema_editor.remove_constraint(model, _constraint(vendor))
    for index in _indexes(vendor):
        schema_editor.remove_index(model, index)
