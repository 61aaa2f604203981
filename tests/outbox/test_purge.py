"""Old dead letters are removed: by relays, the function and the command."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from deferred_signals.outbox import purge
from deferred_signals.outbox.operations.letters import remove_old
from deferred_signals.outbox.relay import Relay

from .rows import Kept, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

DAY = 86_400


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect()


def test_only_what_is_older_than_retention_goes(kept: Kept) -> None:
    old, new, waits = kept.dead(), kept.dead(), kept.send()
    kept.change(old, dead_at=seconds(-30 * DAY - 60))
    kept.change(new, dead_at=seconds(-30 * DAY + 60))
    assert purge(dry_run=True) == 1
    assert not kept.is_gone(old)
    assert purge() == 1
    assert kept.is_gone(old)
    assert not kept.is_gone(new)
    assert not kept.is_gone(waits)


def test_another_age_can_be_given(kept: Kept) -> None:
    dead = kept.dead()
    kept.change(dead, dead_at=seconds(-60))
    assert purge(older_than=timedelta(seconds=90)) == 0
    assert purge(older_than=timedelta(seconds=30)) == 1
    kept.change(kept.dead(), dead_at=seconds(-60))
    assert purge(older_than=30) == 1


@pytest.mark.parametrize("age", [timedelta(days=-1), -1, "30", True])
def test_what_is_no_age_removes_nothing(age: Any, kept: Kept) -> None:
    dead = kept.dead()
    with pytest.raises(ValueError, match=r"purge\(older_than=\) must be seconds"):
        purge(older_than=age)
    assert not kept.is_gone(dead)


def test_relay_purges_by_itself(kept: Kept, configure: Callable[..., None]) -> None:
    configure(OUTBOX={"RETENTION": 60})
    dead = kept.dead()
    kept.change(dead, dead_at=seconds(-61))
    relay = Relay(kept.store)
    relay.work()
    assert kept.is_gone(dead)
    again = kept.dead()
    kept.change(again, dead_at=seconds(-61))
    relay.work()  # not each time
    assert not kept.is_gone(again)
    Relay(kept.store).look_until_done()
    assert kept.is_gone(again)


def test_many_are_removed_in_batches(kept: Kept) -> None:
    for _ in range(5):
        kept.change(kept.dead(), dead_at=seconds(-31 * DAY))
    assert remove_old(connection, 30 * DAY, 2) == (2, False)
    done: list[int] = []
    assert purge(progress=done.append) == 3
    assert done == [3]
