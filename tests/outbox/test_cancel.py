"""Messages that wait are cancelled by their ids."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import User
from django.db import connection

from deferred_signals.outbox import StillRuns, cancel
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.turns import claim_in_turn
from deferred_signals.running.outcomes import Lost, Succeeded
from tests.app.models import Label

from .rows import NOWHERE, Kept, now

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def test_message_that_waits_does_not_run(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    assert cancel(wake_up.id) is True
    assert kept.is_gone(wake_up)
    assert kept.run(wake_up) is None
    assert cancel(wake_up.id) is False
    assert cancel(NOWHERE) is False


def test_dead_letter_goes_too(kept: Kept) -> None:
    kept.connect()
    dead = kept.dead()
    assert cancel(dead.id) is True
    assert kept.is_gone(dead)


def test_running_message_stays_unless_forced(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    assert claim(connection, wake_up, kept.name, "here 7", 60) is not None
    with pytest.raises(StillRuns, match="is being run by here 7"):
        cancel(wake_up.id)
    assert not kept.is_gone(wake_up)
    assert cancel(wake_up.id, force=True) is True
    assert kept.is_gone(wake_up)


@pytest.mark.parametrize("atomic", [False, True])
def test_run_whose_row_is_removed_by_force_is_the_last_one(kept: Kept, atomic: bool) -> None:
    if connection.vendor == "sqlite" and atomic:
        pytest.skip("Nobody else writes during a transaction.")

    def remove_the_row() -> None:
        with ThreadPoolExecutor() as other:
            assert other.submit(forced, wake_up.id).result(20)

    kept.connect(remove_the_row, atomic=atomic)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Lost if atomic else Succeeded)
    assert kept.is_gone(wake_up)
    assert Label.objects.filter(name="left").exists() is not atomic


def forced(id_: str) -> bool:
    """Cancel by force, on a connection of its own."""
    try:
        return cancel(id_, force=True)
    finally:
        connection.close()


def test_next_one_of_the_key_need_not_wait_for_a_lease(kept: Kept) -> None:
    kept.connect(ordered_by=lambda sender, **kwargs: "key")
    first, second = kept.send(), kept.send()
    assert claim_in_turn(connection, second, kept.name, "here 1", 60) is None
    due = kept.row(second).due_at
    assert due is not None
    assert due.timestamp() > now() + 50
    cancel(first.id)
    due = kept.row(second).due_at
    assert due is not None
    assert due.timestamp() <= now()


def test_user_is_in_the_admin_log(kept: Kept) -> None:
    kept.connect()
    user = User.objects.create(username="ada")
    wake_up = kept.send()
    cancel(wake_up.id, user=user)
    entry = LogEntry.objects.get(user=user)
    assert (entry.action_flag, entry.object_id) == (DELETION, wake_up.id)
    assert entry.get_change_message() == "Cancelled."
    LogEntry.objects.all().delete()
    user.delete()
