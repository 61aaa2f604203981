"""The list of messages: its pages begin behind a row, whatever comes and goes meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deferred_signals.outbox import pause, show, status
from deferred_signals.outbox.holding import hold_paused
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.operations import listing
from deferred_signals.outbox.operations.listing import Page, Wanted, page_of, rows_of
from deferred_signals.outbox.operations.status import STATES
from deferred_signals.support.ids import new_id
from tests.support.rows_read import rows_read
from tests.support.stored import ago, stored

from .rows import NOWHERE

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

#: Rows of each kind, and what a page of ten may read: 200 rows that it looks at, and those that it shows.
MANY, FEW = 1500, 750

#: What it reads if no row is in a state, and all those are looked at that may be.
MOST = 3 * MANY + FEW


def ids(page: Page) -> list[str]:
    return [str(row.id) for row in page.rows]


def walk(wanted: Wanted, size: int = 3) -> list[Page]:
    """Read all pages of a list, and go back and forth between them."""
    pages = [page_of(wanted, using="default", size=size)]
    while pages[-1].next is not None:
        page = page_of(wanted, using="default", after=str(pages[-1].next), size=size)
        assert page.previous is not None
        back = page_of(wanted, using="default", before=str(page.previous), size=size)
        assert ids(back) == ids(pages[-1])
        assert str(back.next) == str(pages[-1].next)
        pages.append(page)
    assert pages[0].previous is None
    return pages


def one_of(state: str, number: int) -> str:
    """Write a row of a state."""
    kinds: dict[str, dict[str, Any]] = {
        "waiting": {"due_at": ago(-3600 - number)},
        "due": {"due_at": ago(number)},
        "paused": {"due_at": ago(number)},
        "queued": {"due_at": ago(-60 - number), "woken_at": ago(number)},
        "running": {"due_at": ago(-20 - number), "claimed_by": "here:7", "claimed_at": ago(number)},
        "retrying": {"due_at": ago(-100 - number), "attempt": 1},
        "dead": {"dead_at": ago(number)},
    }
    name = "tests.paused" if state == "paused" else f"tests.shop.{number % 2}"
    return stored(name, subject=f"shop.Order {number}", **kinds[state])


@pytest.fixture
def of_states() -> dict[str, list[str]]:
    """Have eight messages of each state."""
    pause("tests.paused")
    return {state: [one_of(state, number) for number in range(1, 9)] for state in STATES}


@pytest.mark.parametrize("state", STATES)
def test_list_of_a_state_has_what_status_counts(
    state: str, of_states: dict[str, list[str]]
) -> None:
    (found,) = status("default")
    pages = walk(Wanted(state=state))
    listed = [id_ for page in pages for id_ in ids(page)]
    assert sorted(listed) == sorted(of_states[state])
    assert found.counts[state].number == len(listed)
    assert [len(page.rows) for page in pages] == [3, 3, 2]
    shown = [show(id_, using="default") for id_ in listed]
    assert {one.state for one in shown if one} == {state}


def test_rows_that_are_held_for_a_pause_are_among_the_paused(
    of_states: dict[str, list[str]],
) -> None:
    hold_paused(connection)
    listed = [id_ for page in walk(Wanted(state="paused")) for id_ in ids(page)]
    assert sorted(listed) == sorted(of_states["paused"])
    assert not {*listed} & {id_ for page in walk(Wanted(state="waiting")) for id_ in ids(page)}


def test_list_of_all_begins_with_the_newest(of_states: dict[str, list[str]]) -> None:
    listed = [id_ for page in walk(Wanted(), size=10) for id_ in ids(page)]
    assert listed == [id_ for some in reversed(of_states.values()) for id_ in reversed(some)]


def test_dead_letters_begin_with_the_last_to_die_and_living_rows_with_the_first_that_is_due() -> (
    None
):
    dead = [one_of("dead", number) for number in (3, 1, 2)]
    assert ids(page_of(Wanted(state="dead"), using="default")) == [dead[1], dead[2], dead[0]]
    due = [one_of("due", number) for number in (3, 1, 2)]
    assert ids(page_of(Wanted(state="due"), using="default")) == [due[0], due[2], due[1]]


def test_dead_letters_of_one_moment_are_each_listed_once() -> None:
    moment = ago(60)
    made = [stored(f"tests.{number % 3}", dead_at=moment) for number in range(8)]
    listed = [id_ for page in walk(Wanted(state="dead")) for id_ in ids(page)]
    assert sorted(listed) == sorted(made)


def test_page_behind_a_row_is_the_same_whatever_is_added_before_it() -> None:
    old = [one_of("waiting", number) for number in range(8)]
    first = page_of(Wanted(), using="default", size=3)
    before = page_of(Wanted(), using="default", size=3, after=str(first.next))
    for number in range(5):
        one_of("waiting", number)
    OutboxMessage.objects.filter(
        id=first.rows[-1].id
    ).delete()  # the row that the page begins behind
    after = page_of(Wanted(), using="default", size=3, after=str(first.next))
    assert ids(after) == ids(before) == [old[4], old[3], old[2]]


def test_way_back_leads_to_the_first_page_if_too_few_rows_are_left_before() -> None:
    for number in range(6):
        one_of("waiting", number)
    first = page_of(Wanted(), using="default", size=3)
    second = page_of(Wanted(), using="default", size=3, after=str(first.next))
    OutboxMessage.objects.filter(id=first.rows[0].id).delete()
    back = page_of(Wanted(), using="default", size=3, before=str(second.previous))
    assert ids(back) == [*ids(first)[1:], ids(second)[0]]
    assert back.previous is None


def test_page_behind_the_last_row_is_empty() -> None:
    one_of("waiting", 1)
    (row,) = page_of(Wanted(), using="default").rows
    page = page_of(Wanted(), using="default", after=f'["{row.id}"]')
    assert (page.rows, page.previous, page.next) == ((), None, None)


@pytest.mark.parametrize("state", ["", "waiting", "dead"])
def test_receivers_are_found_by_a_part_of_their_names(state: str) -> None:
    made = [one_of(state or "waiting", number) for number in range(8)]
    listed = [id_ for page in walk(Wanted(state=state, receiver="SHOP.1")) for id_ in ids(page)]
    assert sorted(listed) == sorted(made[1::2])
    assert not page_of(Wanted(state=state, receiver="%"), using="default").rows


@pytest.mark.parametrize("state", ["", "waiting", "dead"])
def test_subjects_are_found_in_full(state: str) -> None:
    made = [one_of(state or "waiting", number) for number in range(20)]
    page = page_of(Wanted(state=state, subject="shop.Order 1"), using="default")
    assert ids(page) == [made[1]]


def test_search_looks_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW_LOOKED_AT", 2)
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 4)
    made = [one_of("waiting", number) for number in range(10)]
    OutboxMessage.objects.filter(id__in=[made[0], made[9]]).update(receiver="tests.rare")
    pages = [page_of(Wanted(receiver="rare"), using="default")]
    while pages[-1].next:
        pages.append(page_of(Wanted(receiver="rare"), using="default", after=str(pages[-1].next)))
    assert [ids(page) for page in pages] == [[made[9]], [], [made[0]]]
    assert [page.looked_at for page in pages] == [4, 4, None]
    back = [pages[-1]]
    while back[-1].previous:
        back.append(
            page_of(Wanted(receiver="rare"), using="default", before=str(back[-1].previous))
        )
    assert {made[0], made[9]} == {id_ for page in back for id_ in ids(page)}


@pytest.mark.parametrize(
    "place",
    [
        "",
        "x",
        "[]",
        "{}",
        "7",
        '["x"]',
        '["a","b"]',
        f'["{NOWHERE}\\u0000"]',
        "[" * 100_000,
    ],
)
def test_text_that_is_no_place_is_refused(place: str) -> None:
    if not place:
        assert page_of(Wanted(), using="default", after=place).rows == ()
        return
    with pytest.raises(ValueError, match=r"is no|Expecting"):
        page_of(Wanted(), using="default", after=place)
    with pytest.raises(ValueError, match=r"is no|Expecting"):
        page_of(Wanted(), using="default", before=place)
    with pytest.raises(ValueError, match=r"zone|is no|Invalid|Expecting"):
        page_of(Wanted(state="due"), using="default", after=f'["2026-01-31","{NOWHERE}"]')


def test_messages_are_found_by_their_ids_in_all_databases(
    configure: Callable[..., None],
) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    here, there = stored("tests.one"), stored("tests.two", using="other")
    found = rows_of([here, there, NOWHERE])
    assert [(using, str(row.id)) for using, row in found] == [("other", there), ("default", here)]
    assert rows_of([]) == []


@pytest.fixture
def many() -> None:
    """Have many rows for each index, and let the database know of them."""
    columns: list[dict[str, Any]] = []
    for number in range(MANY):
        columns += [
            {"due_at": ago(-3600 - number)},
            {"due_at": ago(-60 - number), "woken_at": ago(number)},
            {"dead_at": ago(number), "subject": f"shop.Order {number}"},
        ]
    common = {"receiver": "tests.one", "created_at": ago(9), "payload": "x" * 1900}
    OutboxMessage.objects.bulk_create(
        [OutboxMessage(id=new_id(), **common, **some) for some in columns]
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE' if connection.vendor == 'mysql' else ''} {TABLE}")
        if connection.vendor == "mysql":
            cursor.fetchall()


def use_indexes_of_small_tables() -> None:
    """Let PostgreSQL plan as for a large table: in a small one it would rather sort all rows."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_seqscan = off")


def skip_where_queued_rows_are_passed(state: str) -> None:
    if connection.vendor == "mysql" and state not in {"", "queued", "dead"}:
        pytest.skip("Its index has the queued rows among the others, and passes them.")


@pytest.mark.parametrize("state", ["", *STATES])
def test_page_reads_no_more_than_a_page_and_counts_nothing(state: str, many: None) -> None:
    skip_where_queued_rows_are_passed(state)
    first = page_of(Wanted(state=state), using="default", size=10)
    place = str(first.next) if first.next else ""
    for after in ("", place):
        with rows_read(TABLE) as read, CaptureQueriesContext(connection) as queries:
            use_indexes_of_small_tables()
            page_of(Wanted(state=state), using="default", after=after, size=10)
        assert read.number <= (MOST if state == "retrying" else FEW)
        assert not [query for query in queries if "COUNT" in query["sql"].upper()]


@pytest.mark.parametrize("state", ["", "waiting", "queued", "dead"])
def test_search_reads_no_more_than_it_may_look_at(
    state: str, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_where_queued_rows_are_passed(state)
    monkeypatch.setattr(listing, "FEW_LOOKED_AT", 20)
    monkeypatch.setattr(listing, "MOST_LOOKED_AT", 50)
    with rows_read(TABLE) as read:
        use_indexes_of_small_tables()
        page = page_of(Wanted(state=state, receiver="nobody"), using="default")
    assert read.number <= FEW
    assert page.looked_at == 50


def test_dead_letters_are_found_by_the_index_of_their_subjects(many: None) -> None:
    if connection.vendor == "mysql":
        pytest.skip("It has no such index.")
    with rows_read(TABLE) as read:
        page = page_of(Wanted(state="dead", subject="shop.Order 7"), using="default")
    assert len(page.rows) == 1
    assert read.number <= FEW
