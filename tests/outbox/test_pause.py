"""Receivers that are paused: nothing of theirs is claimed, and everything runs when they are resumed."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import cancel, pause, paused, resume
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.together import claim_together
from deferred_signals.outbox.turns import claim_in_turn
from deferred_signals.running.outcomes import Succeeded

from .rows import Kept, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect()


@pytest.fixture
def relay(kept: Kept) -> Relay:
    return Relay(kept.store)


def test_message_of_a_paused_receiver_waits(kept: Kept) -> None:
    wake_up = kept.send()
    assert pause(kept.name) is True
    assert pause(kept.name) is False
    assert paused() == [kept.name]
    assert kept.run(wake_up) is None
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.woken_at) == (0, None, None)


def test_relay_wakes_it_up_only_after_the_pause(kept: Kept, relay: Relay) -> None:
    used_up, queued = kept.send(), kept.send()
    pause(kept.name)
    kept.run(used_up)
    kept.change(queued, due_at=seconds(-1))
    assert relay.look(for_lost=True).due == 0
    assert resume(kept.name) is True
    assert relay.look(for_lost=False).woken == 2
    assert isinstance(kept.run(used_up), Succeeded)
    assert isinstance(kept.run(queued), Succeeded)


def test_others_go_on(kept: Kept, relay: Relay) -> None:
    pause(kept.name)
    held = kept.send()
    kept.disconnect()
    kept.connect()
    free = kept.send()
    for wake_up in (held, free):
        kept.change(wake_up, due_at=seconds(-1), woken_at=None)
    assert relay.look(for_lost=False).woken == 1
    assert isinstance(kept.run(free), Succeeded)


def test_whole_chunk_waits(kept: Kept) -> None:
    ids = [kept.send().id for _ in range(3)]
    pause(kept.name)
    assert claim_together(connection, ids, 0, kept.name, "here 1", 60) == {}
    assert [kept.row(WakeUp("default", id_, 0, 1.0)).woken_at for id_ in ids] == [None] * 3
    resume(kept.name)
    assert set(claim_together(connection, ids, 0, kept.name, "here 1", 60)) == set(ids)


def test_order_is_kept_over_a_pause(kept: Kept, relay: Relay) -> None:
    kept.disconnect()
    kept.connect(ordered_by=lambda sender, **kwargs: "key")
    first, second = kept.send(), kept.send()
    pause(kept.name)
    for wake_up in (first, second):
        assert claim_in_turn(connection, wake_up, kept.name, "here 1", 60) is None
    resume(kept.name)
    assert relay.look(for_lost=False).woken == 1
    assert isinstance(kept.run(first), Succeeded)
    assert isinstance(kept.run(second), Succeeded)


def test_duplicate_of_a_running_message_is_not_set_aside(kept: Kept) -> None:
    """Else the row would be taken from the run that goes on."""
    seen: list[object] = []

    def pause_and_come_again() -> None:
        pause(kept.name)
        kept.run(wake_up)
        seen.append(kept.row(wake_up).claimed_by)

    kept.disconnect()
    kept.connect(pause_and_come_again)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Succeeded)
    assert seen[0] is not None


def test_paused_message_can_be_cancelled(kept: Kept) -> None:
    wake_up = kept.send()
    pause(kept.name)
    assert cancel(wake_up.id)
    assert kept.is_gone(wake_up)


def test_resume_of_what_is_not_paused_tells_so(kept: Kept) -> None:
    assert resume(kept.name) is False


def test_users_are_noted(kept: Kept) -> None:
    user = User.objects.create(username="ada")
    pause(kept.name, user=user)
    resume(kept.name, user=user)
    told = [(one.object_repr, one.get_change_message()) for one in LogEntry.objects.order_by("pk")]
    assert told == [(kept.name, "Paused."), (kept.name, "Resumed.")]
    LogEntry.objects.all().delete()
    user.delete()


def test_names_differ_by_case(kept: Kept) -> None:
    wake_up = kept.send()
    pause(kept.name.upper())
    assert isinstance(kept.run(wake_up), Succeeded)


def test_every_database_is_paused(kept: Kept, configure: Callable[..., None]) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    pause(kept.name)
    assert paused("default") == paused("other") == [kept.name]
    resume(kept.name, using="other")
    assert (paused("default"), paused("other")) == ([kept.name], [])
