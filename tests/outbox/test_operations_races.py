"""Operations at one moment, beside a worker: each dead letter meets exactly one fate."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import Selection, discard, purge, replay
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations import letters
from deferred_signals.outbox.releases import remove
from deferred_signals.outbox.store import Store

from .rows import Kept, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

COUNT = 120


@pytest.fixture
def dead(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have dead letters, and operations that take many batches."""
    monkeypatch.setattr(letters, "BATCH", 7)
    kept.connect(name="tests.kept")
    wake_ups = [kept.send(number=number) for number in range(COUNT)]
    for wake_up in wake_ups:
        kept.change(wake_up, dead_at=seconds(-60), due_at=None, woken_at=None, attempt=3)
    return [wake_up.id for wake_up in wake_ups]


def at_once(*acts: Callable[[], int]) -> list[int]:
    """Call functions at one moment, each on its own thread and connections."""
    barrier = Barrier(len(acts))

    def call(act: Callable[[], int]) -> int:
        barrier.wait()
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as threads:
        return [*threads.map(call, acts)]


def test_replay_and_purge_lose_nothing(dead: list[str]) -> None:
    replayed, purged = at_once(
        lambda: replay(Selection()), lambda: purge(older_than=timedelta(seconds=1))
    )
    alive = OutboxMessage.objects.filter(dead_at=None, attempt=0).count()
    assert alive == OutboxMessage.objects.count() == replayed
    assert replayed + purged == COUNT


def test_two_replays_and_a_discard_share_the_letters(dead: list[str]) -> None:
    one, other, discarded = at_once(
        lambda: replay(Selection()), lambda: replay(Selection()), lambda: discard(Selection())
    )
    assert one + other + discarded == COUNT
    assert OutboxMessage.objects.filter(dead_at=None).count() == one + other


def test_replayed_letters_are_run_meanwhile(dead: list[str]) -> None:
    ran: list[str] = []

    def work() -> int:
        """Run what is alive, until nothing has been for a while."""
        store, idle = Store(), 0
        while idle < 200:
            idle += 1
            with store.connection("default") as own:
                for id_ in dead:
                    wake_up = WakeUp("default", id_, 0, 1.0)
                    if claim(own, wake_up, "tests.kept", "here 1", 60) is not None:
                        ran.append(id_)
                        assert remove(own, id_, 1)
                        idle = 0
            if len(ran) + len(gone) == COUNT:
                break
        store.close()
        return len(ran)

    gone: list[int] = []

    def discard_some() -> int:
        found = sum(discard(Selection(ids=(id_,))) for id_ in dead[::3])
        gone.extend(range(found))
        return found

    replayed, run, discarded = at_once(lambda: replay(Selection()), work, discard_some)
    assert run == replayed
    assert replayed + discarded == COUNT
    assert sorted(ran) == sorted(set(ran))
    assert not OutboxMessage.objects.exists()
