"""Claims of rows: fenced, counted, and timed by the database's clock."""

import threading
from collections.abc import Iterator

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim, find, renew
from deferred_signals.outbox.dialects import LONGEST_WAIT
from deferred_signals.outbox.releases import (
    Holder,
    bury,
    remove,
    retry,
    set_on,
    was_ended,
)
from deferred_signals.outbox.store import Store

from .rows import NOWHERE, Kept, is_set, now, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

LEASE = 60.0
US, THEM = "here 1", "there 1"


@pytest.fixture
def wake_up(kept: Kept) -> WakeUp:
    """Send a message; return the wake-up of its row."""
    kept.connect()
    return kept.send(number=1)


@pytest.fixture
def own(kept: Kept) -> Iterator[BaseDatabaseWrapper]:
    """Give a connection of the store."""
    with kept.store.connection("default") as connection:
        yield connection


def columns(kept: Kept, wake_up: WakeUp) -> dict[str, object]:
    row = kept.row(wake_up)
    return {name: value for name, value in vars(row).items() if name != "_state"}


def test_claim_counts_the_run_and_names_its_process(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    began = now()
    before = kept.row(wake_up)
    found = claim(own, wake_up, kept.name, US, LEASE)
    assert found is not None
    assert (found.payload, found.error, found.left) == (before.payload, "", None)
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.woken_at) == (1, US, None)
    assert is_set(row.due_at, LEASE, began)
    assert is_set(row.claimed_at, 0, began)


def test_second_claim_of_an_attempt_is_none(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    present = columns(kept, wake_up)
    assert claim(own, wake_up, kept.name, US, LEASE) is None
    assert claim(own, wake_up, kept.name, THEM, LEASE) is None
    assert columns(kept, wake_up) == present


def test_one_of_many_claims_at_once_wins(kept: Kept) -> None:
    kept.connect()
    wake_ups = [kept.send(number=number) for number in range(10)]
    start = threading.Barrier(4)
    won: list[str] = []
    failures: list[BaseException] = []

    def claim_all(owner: str) -> None:
        store = Store()
        try:
            with store.connection("default") as connection:
                for wake_up in wake_ups:
                    start.wait()
                    if claim(connection, wake_up, kept.name, owner, LEASE):
                        won.append(wake_up.id)
        except BaseException as error:  # noqa: BLE001 - the test tells of it
            failures.append(error)
            start.abort()
        finally:
            store.close()

    threads = [threading.Thread(target=claim_all, args=(f"here {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(won) == sorted(wake_up.id for wake_up in wake_ups)


@pytest.mark.parametrize("what", ["other task", "other attempt", "dead", "gone"])
def test_row_that_is_not_there_to_be_claimed_is_not(
    what: str, kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    name, asked = kept.name, wake_up
    match what:
        case "other task":
            name = "tests.other"
        case "other attempt":
            asked = wake_up._replace(attempt=1)
        case "dead":
            assert claim(own, wake_up, name, US, LEASE)
            assert bury(own, wake_up.id, Holder(1), "")
            asked = wake_up._replace(attempt=1)
        case "gone":
            asked = wake_up._replace(id=NOWHERE)
    present = columns(kept, wake_up)
    assert claim(own, asked, name, US, LEASE) is None
    assert columns(kept, wake_up) == present


def test_age_and_what_is_left_are_told_by_the_database(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    kept.change(wake_up, created_at=seconds(-100), expires_at=seconds(50))
    found = claim(own, wake_up, kept.name, US, LEASE)
    assert found is not None
    assert found.left is not None
    assert 99.9 < found.age < 105
    assert 45 < found.left < 50.1
    looked_at = find(own, wake_up.id)
    assert looked_at is not None
    assert (looked_at.receiver, looked_at.attempt) == (kept.name, 1)
    assert 99.9 < looked_at.age < 105


def test_row_that_has_expired_has_less_than_nothing_left(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    kept.change(wake_up, expires_at=seconds(-7))
    found = claim(own, wake_up, kept.name, US, LEASE)
    assert found is not None
    assert found.left is not None
    assert -12 < found.left < -6.9


def test_late_end_of_a_claim_changes_nothing(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert claim(own, wake_up._replace(attempt=1), kept.name, THEM, LEASE)
    present = columns(kept, wake_up)
    assert not remove(own, wake_up.id, 1)
    assert not retry(own, wake_up.id, Holder(1), 5, "late")
    assert not bury(own, wake_up.id, Holder(1), "late")
    assert not set_on(own, wake_up.id, Holder(1), 5, "late")
    assert columns(kept, wake_up) == present
    assert remove(own, wake_up.id, 2)


def test_dead_row_stays_as_it_is(kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert bury(own, wake_up.id, Holder(1), "first")
    present = columns(kept, wake_up)
    assert (present["due_at"], present["error"], present["claimed_by"]) == (None, "first", None)
    assert not retry(own, wake_up.id, Holder(1), 5, "late")
    assert not bury(own, wake_up.id, Holder(1), "late")
    assert not set_on(own, wake_up.id, Holder(1), 5, "late")
    assert find(own, wake_up.id) is None
    assert columns(kept, wake_up) == present


def test_success_removes_a_row_whatever_run_it_is_at(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert remove(own, wake_up.id, None)
    assert kept.is_gone(wake_up)
    assert not remove(own, wake_up.id, None)


def test_row_that_waits_is_nobodys(kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper) -> None:
    began = now()
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert retry(own, wake_up.id, Holder(1), 30, "failed")
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.claimed_at, row.woken_at) == (1, None, None, None)
    assert row.error == "failed"
    assert is_set(row.due_at, 30, began)


def test_row_that_is_set_on_is_not_charged(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert set_on(own, wake_up.id, Holder(1), 30, "unknown")
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.error) == (0, None, "unknown")
    assert claim(own, wake_up, kept.name, US, LEASE)


def test_wait_that_no_calendar_has_ends_in_a_hundred_years(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    began = now()
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert retry(own, wake_up.id, Holder(1), 1e15, "failed")
    assert is_set(kept.row(wake_up).due_at, LONGEST_WAIT, began)


def test_process_renews_its_own_claims_only(kept: Kept, own: BaseDatabaseWrapper) -> None:
    began = now()
    kept.connect()
    ours, theirs, nobodys = (kept.send(number=number) for number in range(3))
    assert claim(own, ours, kept.name, US, LEASE)
    assert claim(own, theirs, kept.name, THEM, LEASE)
    before = [columns(kept, one) for one in (theirs, nobodys)]
    running = [(one.id, US) for one in (ours, theirs, nobodys)]
    assert renew(own, running, 500) == 1
    assert is_set(kept.row(ours).due_at, 500, began)
    assert [columns(kept, one) for one in (theirs, nobodys)] == before


def test_death_before_the_claim_is_charged(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert retry(own, wake_up.id, Holder(1, dead=US), 5, "killed")
    assert kept.row(wake_up).attempt == 1
    assert claim(own, wake_up, kept.name, THEM, LEASE) is None


def test_death_after_the_claim_is_charged_once(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert retry(own, wake_up.id, Holder(1, dead=US), 5, "killed")
    present = columns(kept, wake_up)
    assert (present["attempt"], present["claimed_by"]) == (1, None)
    assert not retry(own, wake_up.id, Holder(1, dead=US), 5, "killed")
    assert columns(kept, wake_up) == present


@pytest.mark.parametrize("dead", [US, ""])
def test_death_of_a_duplicates_process_frees_no_row_that_another_one_runs(
    dead: str, kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    """A process that is not known has no name."""
    assert claim(own, wake_up, kept.name, THEM, LEASE)
    present = columns(kept, wake_up)
    assert not retry(own, wake_up.id, Holder(1, dead=dead), 5, "killed")
    assert not bury(own, wake_up.id, Holder(1, dead=dead), "killed")
    assert columns(kept, wake_up) == present


def test_row_that_nobody_has_is_told_from_one_that_runs(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, THEM, LEASE)
    assert not bury(own, wake_up.id, Holder(1, is_unclaimed=True), "never came back")
    kept.change(wake_up, woken_at=seconds(0), claimed_by=None)
    assert not bury(own, wake_up.id, Holder(2, is_unclaimed=True), "never came back")
    assert bury(own, wake_up.id, Holder(1, is_unclaimed=True), "never came back")


def test_end_of_a_row_can_be_looked_up(
    kept: Kept, wake_up: WakeUp, own: BaseDatabaseWrapper
) -> None:
    assert claim(own, wake_up, kept.name, US, LEASE)
    assert not was_ended(own, wake_up.id, 1)
    assert bury(own, wake_up.id, Holder(1), "")
    assert was_ended(own, wake_up.id, 1)
    assert not was_ended(own, wake_up.id, 2)
    assert was_ended(own, NOWHERE, 1)
