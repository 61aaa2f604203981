"""What the statements of relays, commands and monitors read: few rows, however many the table has."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from deferred_signals.outbox import Selection, discard, health, pause, purge, replay, status
from deferred_signals.outbox.holding import hold_paused
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.operations import depth as depths
from deferred_signals.outbox.operations import status as module
from deferred_signals.outbox.operations.depth import depth
from deferred_signals.outbox.taking import look_for_overdue, take_due
from deferred_signals.outbox.turns import set_blocked_on
from deferred_signals.support.ids import new_id
from tests.support.rows_read import rows_read

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

#: Rows of each state, and what a statement for a handful of rows may read.
MANY, FEW = 1500, 300

MINUTE = timedelta(minutes=1)


def fill(number: int, receiver: str = "tests.others", **columns: Any) -> None:
    """Write so many rows of one state."""
    now = timezone.now()
    columns = {"created_at": now, "payload": "x" * 300, **columns}
    OutboxMessage.objects.bulk_create(
        [OutboxMessage(id=new_id(), receiver=receiver, **columns) for _ in range(number)]
    )


@pytest.fixture(autouse=True)
def many() -> None:
    """Have many rows that wait, that are queued, and that are dead; the database knows of them."""
    now = timezone.now()
    fill(MANY, due_at=now + 10 * MINUTE)
    fill(MANY, due_at=now + MINUTE, woken_at=now)
    fill(MANY, dead_at=now - MINUTE)
    analyze()


def analyze() -> None:
    """Let the database know of its rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE' if connection.vendor == 'mysql' else ''} {TABLE}")
        if connection.vendor == "mysql":
            cursor.fetchall()


def take() -> int:
    return len(take_due(connection, 500, 60))


def look() -> int:
    return len(look_for_overdue(connection, 500))


def test_look_for_due_rows_reads_no_others() -> None:
    fill(5, due_at=timezone.now() - MINUTE)
    with rows_read(TABLE) as read:
        assert take() == 5
    assert read.number <= FEW
    with rows_read(TABLE) as read:
        assert take() == 0
    assert read.number <= FEW


def test_look_for_lost_wake_ups_reads_no_others() -> None:
    now = timezone.now()
    fill(5, due_at=now - MINUTE, woken_at=now - 2 * MINUTE)
    with rows_read(TABLE) as read:
        assert look() == 5
    assert read.number + read.entries <= FEW


def test_looks_do_not_read_what_is_paused_again_and_again() -> None:
    fill(MANY, "tests.paused", due_at=timezone.now() - MINUTE)
    pause("tests.paused")
    while hold_paused(connection):
        """More may be due."""
    with rows_read(TABLE) as read:
        assert (take(), look(), hold_paused(connection)) == (0, 0, False)
    assert read.number <= FEW


def test_look_for_rows_out_of_turn_reads_no_others() -> None:
    with rows_read(TABLE) as read:
        set_blocked_on(connection, 500, 60)
    assert read.number <= FEW


@pytest.mark.parametrize("are_known", [True, False])
def test_rows_behind_a_retry_read_neither_one_another_nor_the_dead_letters_of_their_order(
    are_known: bool,
) -> None:
    now = timezone.now()
    fill(MANY, order_key="one", created_at=now - 3 * MINUTE, dead_at=now)
    fill(1, order_key="one", created_at=now - 2 * MINUTE, due_at=now + MINUTE)
    fill(MANY, order_key="one", created_at=now - MINUTE, due_at=now - MINUTE)
    if are_known:
        analyze()
    with rows_read(TABLE) as read:
        set_blocked_on(connection, 500, 60)
        assert take() == 0
    assert read.number <= 12 * MANY  # a few for each, and not 1,500


@pytest.fixture
def without_bitmaps() -> Iterator[None]:
    """Leave PostgreSQL the choice between an index and the table, which bitmaps make a close one."""
    if connection.vendor != "postgresql":
        pytest.skip("Only PostgreSQL has bitmaps.")
    with connection.cursor() as cursor:
        cursor.execute("SET enable_bitmapscan = off")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET enable_bitmapscan")


def ask_depth() -> None:
    depth(connection)


ASKS = pytest.mark.parametrize("ask", [status, health, ask_depth])


@ASKS
def test_status_ends_its_counts(ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 10)
    monkeypatch.setattr(module, "MOST", 10)
    with rows_read(TABLE) as read:
        ask()
    assert read.number <= FEW


@ASKS
@pytest.mark.usefixtures("without_bitmaps")
def test_status_reads_on_in_indexes(
    ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    # PostgreSQL expects that a third of the rows that nobody woke is due within a lease.
    test_status_ends_its_counts(ask, monkeypatch)


@pytest.mark.parametrize("act", [replay, discard])
def test_letters_of_one_receiver_are_found_among_those_of_others(
    act: Callable[[Selection], int],
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("It does not tell a row from an entry of an index.")
    fill(5, "tests.one", dead_at=timezone.now() - 2 * MINUTE)
    with rows_read(TABLE) as read:
        assert act(Selection(receiver="tests.one")) == 5
    # The index on their deaths has the receivers' names. So it is read, and not the rows. MariaDB counts
    # entries of an index that has all that was asked for like rows.
    assert read.number <= (FEW if connection.vendor == "postgresql" else MANY + FEW)


def test_purge_reads_what_is_old() -> None:
    fill(5, dead_at=timezone.now() - timedelta(days=40))
    with rows_read(TABLE) as read:
        assert purge() == 5
    assert read.number <= FEW
