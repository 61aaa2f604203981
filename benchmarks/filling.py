"""Fill the outbox's table of a PostgreSQL with many rows at once, as senders would leave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from benchmarks.databases import forget_rows
from benchmarks.project import durable
from deferred_signals.outbox.models import TABLE, OutboxMessage

if TYPE_CHECKING:
    from benchmarks.queue import Queue

__all__ = ["churn", "fill", "payload_of", "run", "wal", "wal_since"]

_COLUMNS = (
    "id, receiver, subject, payload, options, attempt, position, created_at, due_at, woken_at, dead_at, "
    "error, order_key"
)


def payload_of(queue: Queue) -> str:
    """Send one event, and return the text of its message."""
    durable.order_placed(1)
    queue.take(1)
    sent = OutboxMessage.objects.get()
    forget_rows()
    return sent.payload


def fill(
    rows: int,
    payload: str,
    state: str,
    receiver: str = "shop.receivers.send_receipt",
    order_key: str | None = None,
) -> None:
    """Write rows of one state: ``waiting``, ``queued``, ``due`` or ``dead``, with ids in the order of time."""
    due, woken, dead = {
        "waiting": ("now() + interval '1 hour'", "NULL", "NULL"),
        "queued": ("now() + interval '1 minute'", "now()", "NULL"),
        "due": ("now() - interval '1 second'", "NULL", "NULL"),
        "dead": ("NULL::timestamptz", "NULL", "now() - number * interval '1 second'"),
    }[state]
    id_ = "lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' "
    id_ += "|| substr(md5(random()::text), 1, 3) || 'a' || substr(md5(random()::text), 1, 15)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} ({_COLUMNS}) SELECT ({id_})::uuid, %s, 'shop.Order ' || number, %s, '', "
            f"0, 0, now(), {due}, {woken}, {dead}, '', %s FROM generate_series(1, %s) AS number",
            [receiver, payload, order_key, rows],
        )


def churn(rows: int, payload: str, state: str = "queued") -> None:
    """Let rows come, be claimed, and go, 500 at a time, as workers that keep up do."""
    for _ in range(0, rows, 500):
        fill(500, payload, state)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET attempt = attempt + 1, woken_at = NULL, claimed_by = 'a worker', "
                f"claimed_at = now(), due_at = now() + interval '1 minute' WHERE claimed_by IS NULL"
            )
            cursor.execute(f"DELETE FROM {TABLE} WHERE claimed_by = 'a worker'")


def run(statement: str) -> None:
    """Run a statement that returns nothing."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def wal() -> str:
    """Return where the write-ahead log ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
        return str(cursor.fetchone()[0])


def wal_since(place: str) -> float:
    """Count the bytes of the write-ahead log since then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [place])
        return float(cursor.fetchone()[0])
