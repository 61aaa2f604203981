"""With ``USE_TZ = False`` Django gives times without their zone, and the session's is not UTC."""

from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from deferred_signals.outbox import Selection, purge, replay, show, status
from deferred_signals.outbox.dialects import time_of
from deferred_signals.outbox.operations.listing import Wanted, page_of

from .rows import Kept, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept, settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/Chicago"
    kept.connect()


def test_message_is_shown_with_its_times(kept: Kept) -> None:
    sent = kept.send()
    kept.change(sent, woken_at=None, due_at=seconds(-60))
    found = show(sent.id)
    assert found is not None
    assert found.state == "due"
    assert found.since is not None
    assert timedelta(seconds=50) < time_of(connection) - found.since < timedelta(seconds=90)


def test_letters_that_are_dead_since_a_minute_are_replayed_and_told_of(kept: Kept) -> None:
    dead = kept.dead()
    kept.change(dead, dead_at=seconds(-60))
    (found,) = status("default")
    assert found.counts["dead"].oldest == pytest.approx(60, abs=20)
    assert replay(Selection()) == 1
    assert purge(older_than=timedelta()) == 0


def test_pages_of_a_list_follow_one_another(kept: Kept) -> None:
    sent = [kept.dead() for _ in range(5)]
    for number, one in enumerate(sent):
        kept.change(one, dead_at=seconds(-60 * number))
    first = page_of(Wanted(state="dead"), using="default", size=3)
    second = page_of(Wanted(state="dead"), using="default", size=3, after=str(first.next))
    assert [str(row.id) for row in (*first.rows, *second.rows)] == [one.id for one in sent]
