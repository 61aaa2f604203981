"""Rows of paused receivers that are due: relays hold them back, and the end of the pause frees them."""

import io
import threading
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import health, holding, pause, resume, status
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.holding import HELD, hold_paused
from deferred_signals.outbox.models import TABLE, PausedReceiver
from deferred_signals.outbox.relay import Relay
from deferred_signals.running.outcomes import Succeeded

from .rows import Kept, seconds, until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect()


@pytest.fixture
def relay(kept: Kept) -> Relay:
    return Relay(kept.store)


def due(kept: Kept, number: int) -> list[WakeUp]:
    """Send messages, and let them be due since a minute, and not woken."""
    found = [kept.send() for _ in range(number)]
    for wake_up in found:
        kept.change(wake_up, due_at=seconds(-60), woken_at=None)
    return found


def waits(kept: Kept, wake_up: WakeUp) -> float:
    return until(kept.row(wake_up).due_at)


def test_many_are_held_in_several_looks(
    kept: Kept, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "BATCH", 2)
    monkeypatch.setattr(holding, "MOST_BATCHES", 2)
    wake_ups = due(kept, 5)
    pause(kept.name)
    relay.look(for_lost=True)
    assert sum(waits(kept, wake_up) > 0 for wake_up in wake_ups) == 4
    relay.work()  # it is behind, and so looks for more at once
    assert all(waits(kept, wake_up) > HELD / 2 for wake_up in wake_ups)


def test_held_messages_count_as_paused(kept: Kept, relay: Relay) -> None:
    wake_up, later = due(kept, 2)
    kept.change(later, due_at=seconds(600))
    pause(kept.name)
    relay.look(for_lost=True)
    for number in (1, 2):
        (found,) = status()
        counts = {name: one.number for name, one in found.counts.items() if one.number}
        assert counts == {"paused": number, "waiting": 1}
        assert found.counts["paused"].receivers == {kept.name: number}
        assert 60 <= (found.counts["paused"].oldest or 0) < 120
        due(kept, 1)
    assert health().ok
    out = io.StringIO()
    call_command("deferred_outbox", "show", wake_up.id, stdout=out)
    assert "paused" in out.getvalue()


def test_resumed_messages_are_due_at_once(
    kept: Kept, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "BATCH", 2)
    wake_ups = due(kept, 5)
    pause(kept.name)
    relay.look(for_lost=True)
    resume(kept.name)
    assert relay.look(for_lost=False).woken == 5
    assert all(isinstance(kept.run(wake_up), Succeeded) for wake_up in wake_ups)


def test_message_that_waits_for_its_own_time_goes_on_waiting(kept: Kept, relay: Relay) -> None:
    (wake_up,) = due(kept, 1)
    kept.change(wake_up, due_at=seconds(600))
    pause(kept.name)
    relay.look(for_lost=True)
    resume(kept.name)
    assert waits(kept, wake_up) == pytest.approx(600, abs=30)


def test_claim_whose_lease_is_over_is_held_too(kept: Kept, relay: Relay) -> None:
    wake_up = kept.send()
    assert claim(connection, wake_up, kept.name, "here 7", -60) is not None
    pause(kept.name)
    relay.look(for_lost=True)
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by) == (1, None)
    assert until(row.claimed_at) == pytest.approx(-60, abs=30)


def test_order_is_kept_by_messages_that_were_held(kept: Kept, relay: Relay) -> None:
    kept.disconnect()
    kept.connect(ordered_by=lambda sender, **kwargs: "key")
    first, second = due(kept, 2)
    pause(kept.name)
    relay.look(for_lost=True)
    resume(kept.name)
    assert relay.look(for_lost=False).woken == 1
    assert isinstance(kept.run(first), Succeeded)
    assert isinstance(kept.run(second), Succeeded)


def test_message_is_not_held_when_its_pause_ends_meanwhile(kept: Kept) -> None:
    (wake_up,) = due(kept, 1)
    pause(kept.name)

    def resume_elsewhere() -> None:
        resume(kept.name)
        connections.close_all()

    threads: list[threading.Thread] = []

    def resume_before(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(f"UPDATE {TABLE}"):
            threads.append(threading.Thread(target=resume_elsewhere))
            threads[0].start()
            threads[0].join(1)  # it is through, or waits for this transaction
        return execute(sql, *arguments)

    with kept.store.connection("default") as own, own.execute_wrapper(resume_before):
        hold_paused(own)
    threads[0].join(20)
    assert waits(kept, wake_up) <= 0


def test_resume_that_was_cut_short_can_be_done_again(kept: Kept, relay: Relay) -> None:
    (wake_up,) = due(kept, 1)
    pause(kept.name)
    relay.look(for_lost=True)
    PausedReceiver.objects.all().delete()
    assert waits(kept, wake_up) > 0
    assert resume(kept.name) is False
    assert waits(kept, wake_up) <= 0
