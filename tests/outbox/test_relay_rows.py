"""The relay: it wakes up what is due, and looks for wake-ups that were lost."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.lost import MOST_PATIENCE
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store
from deferred_signals.publishing.lines import is_away
from tests.project.celery import app
from tests.support.celery_apps import MakeCurrent
from tests.support.celery_messages import take_celery_messages
from tests.support.lifecycle import Lifecycle
from tests.support.processes import wait_until

from .rows import Kept, database_away, is_set, now, of_runs, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

LEASE, DAY = 60.0, 24 * 3600.0


@pytest.fixture
def relay(kept: Kept) -> Relay:
    return Relay(kept.store)


def send_due(kept: Kept, count: int = 1, **columns: Any) -> list[WakeUp]:
    """Send messages with a countdown, so that nothing wakes them up, and let it be over."""
    found = [kept.send(number=number) for number in range(count)]
    for place, wake_up in enumerate(found):
        kept.change(wake_up, due_at=seconds(place - 1000), **columns)
    return found


def published() -> list[WakeUp]:
    """Return the wake-ups that reached the broker since the last time."""
    return [WakeUp.from_wire(message.wires[0]) for message in take_celery_messages()]


def work(relay: Relay) -> tuple[int, float]:
    """Let a relay look once; return how many rows were due, and the seconds until the next look."""
    look, wait = relay.work()
    return look.due, wait


def patience(row: OutboxMessage) -> float:
    """Return for how long a row's wake-up is waited for."""
    assert row.due_at is not None
    assert row.woken_at is not None
    return (row.due_at - row.woken_at).total_seconds()


# What is due.


def test_row_that_is_due_is_woken_up(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    (wake_up,) = send_due(kept, attempt=1)
    assert relay.look(for_lost=False).due == 1
    (found,) = published()
    assert (found.using, found.id, found.attempt) == ("default", wake_up.id, 1)
    row = kept.row(wake_up)
    assert row.woken_at is not None
    assert abs(found.at - row.woken_at.timestamp()) < 1
    assert abs(patience(row) - LEASE) < 1
    relay.look(for_lost=False)
    assert published() == []


@pytest.mark.parametrize("state", ["waits", "woken", "runs", "dead"])
def test_row_that_is_not_due_is_left_alone(state: str, kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    wake_up = kept.send()
    match state:
        case "woken":
            kept.change(wake_up, woken_at=seconds(0), due_at=seconds(60))
        case "runs":
            kept.change(wake_up, claimed_by="there 1", due_at=seconds(60))
        case "dead":
            kept.change(wake_up, dead_at=seconds(0), due_at=None)
    for _ in range(6):
        relay.look(for_lost=True)
    assert published() == []


def test_row_of_a_worker_that_is_gone_is_woken_up(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    (wake_up,) = send_due(kept, attempt=1, claimed_by="there 1", claimed_at=seconds(-61))
    relay.look(for_lost=False)
    (found,) = published()
    assert found.attempt == 1
    assert kept.row(wake_up).claimed_by is None


def test_wake_up_has_the_options_of_its_message(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600, priority=3, headers={"tenant": "blue"}, expires=7200)
    (wake_up,) = send_due(kept, subject="shop.Order 7")
    kept.change(wake_up, options='{"priority": 7}')
    relay.look(for_lost=False)
    (message,) = take_celery_messages()
    assert message.headers["id"] == wake_up.id
    assert (message.properties["priority"], message.headers["tenant"]) == (7, "blue")
    assert message.headers["argsrepr"] == "(shop.Order 7)"
    assert (message.headers["eta"], message.headers["expires"]) == (None, None)


def test_relay_goes_on_at_once_while_its_batches_are_full(
    kept: Kept, relay: Relay, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"RELAY_BATCH": 3, "RELAY_INTERVAL": 0.5})
    kept.connect(countdown=3600)
    sent = send_due(kept, 7)
    assert [work(relay) for _ in range(3)] == [(3, 0.0), (3, 0.0), (1, 0.5)]
    found = [wake_up.id for wake_up in published()]  # of one batch in any order
    assert sorted(found) == sorted(wake_up.id for wake_up in sent)


def test_relays_at_once_publish_no_row_twice(kept: Kept, configure: Callable[..., None]) -> None:
    configure(OUTBOX={"RELAY_BATCH": 5})
    kept.connect(countdown=3600)
    sent = send_due(kept, 60)
    stores = [Store() for _ in range(3)]
    failures: list[BaseException] = []

    def look(relay: Relay) -> None:
        app.set_current()  # as Celery does for all threads of a worker
        try:
            while relay.look(for_lost=False).due:
                pass
        except BaseException as error:  # noqa: BLE001 - the test tells of it
            failures.append(error)

    threads = [threading.Thread(target=look, args=(Relay(store),)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    assert failures == []
    assert Counter(wake_up.id for wake_up in published()) == {one.id: 1 for one in sent}


def test_database_that_is_away_holds_up_no_other(
    kept: Kept, relay: Relay, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"DATABASES": ["other", "default"]})
    kept.connect(countdown=3600)
    (wake_up,) = send_due(kept)
    with database_away("other"), pytest.raises(Exception, match=r".") as caught:
        relay.look(for_lost=False)
    assert type(caught.value).__name__ == "OperationalError"
    assert [found.id for found in published()] == [wake_up.id]


# What cannot be published.


def test_route_that_refuses_sets_its_own_rows_back(
    kept: Kept, relay: Relay, make_current: MakeCurrent
) -> None:
    began = now()

    def route(name: str, *args: object, **kwargs: object) -> None:
        if name == "tests.refused":
            raise OSError("no route")

    kept.connect(countdown=3600, name="tests.refused")
    (refused,) = send_due(kept)
    kept.connect(countdown=3600, name="tests.routed")
    (routed,) = send_due(kept)
    OutboxMessage.objects.exclude(pk__in=[refused.id, routed.id]).delete()
    make_current(broker_url="memory://", task_routes=[route])
    relay.look(for_lost=False)
    assert [wake_up.id for wake_up in published()] == [routed.id]
    row = kept.row(refused)
    assert row.woken_at is None
    assert is_set(row.due_at, 5, began)


def test_route_that_refuses_holds_up_no_later_look(
    kept: Kept, relay: Relay, make_current: MakeCurrent
) -> None:
    def route(name: str, *args: object, **kwargs: object) -> None:
        if name == "tests.refused":
            raise OSError("no route")

    kept.connect(countdown=3600, name="tests.refused")
    (refused,) = send_due(kept)
    kept.disconnect()
    kept.connect(countdown=3600, name="tests.refused")
    make_current(broker_url="memory://", task_routes=[route])
    assert work(relay) == (1, 1.0)
    kept.connect(countdown=3600, name="tests.routed")
    (routed,) = send_due(kept)
    for due in (refused, routed):
        kept.change(due, due_at=seconds(-1))
    OutboxMessage.objects.exclude(pk__in=[refused.id, routed.id]).delete()
    assert work(relay) == (2, 1.0)
    assert [wake_up.id for wake_up in published()] == [routed.id]
    kept.change(refused, due_at=seconds(-1))
    assert work(relay) == (1, 1.0)


@pytest.mark.parametrize("is_first", [True, False])
def test_row_that_fails_beside_one_of_its_receiver_is_set_back(
    is_first: bool, kept: Kept, relay: Relay
) -> None:
    kept.connect(countdown=3600)
    rows = send_due(kept, 2)
    broken, sound = rows if is_first else rows[::-1]
    kept.change(broken, options="{")
    relay.look(for_lost=False)
    assert [wake_up.id for wake_up in published()] == [sound.id]
    assert kept.row(broken).woken_at is None


@pytest.mark.parametrize("options", ["{", "[1]", "7"])
def test_row_whose_options_are_broken_is_set_back_alone(
    options: str, kept: Kept, relay: Relay
) -> None:
    began = now()
    kept.connect(countdown=3600)
    broken, sound = send_due(kept, 2)
    kept.change(broken, options=options)
    relay.look(for_lost=False)
    assert [wake_up.id for wake_up in published()] == [sound.id]
    assert kept.row(broken).woken_at is None
    assert is_set(kept.row(broken).due_at, 5, began)


@pytest.mark.usefixtures("broker_away")
def test_nothing_is_taken_while_the_broker_is_known_to_be_away(kept: Kept, relay: Relay) -> None:
    began = now()
    kept.connect(countdown=3600)
    (wake_up,) = send_due(kept)
    relay.look(for_lost=False)
    row = kept.row(wake_up)
    assert row.woken_at is None
    assert is_set(row.due_at, 5, began)
    wait_until(is_away, 10, "the breaker opens")
    kept.change(wake_up, due_at=seconds(-1))
    before = kept.row(wake_up).due_at
    relay.look(for_lost=False)
    assert kept.row(wake_up).due_at == before


# Receivers that this process does not know.


def test_rows_of_an_unknown_receiver_starve_nobody(
    kept: Kept, relay: Relay, configure: Callable[..., None], lifecycle: Lifecycle
) -> None:
    began = now()
    configure(OUTBOX={"RELAY_BATCH": 5})
    kept.connect(countdown=3600)
    unknown = send_due(kept, 12, attempt=1)
    kept.forget()
    kept.disconnect()
    kept.connect(countdown=3600)
    (known,) = send_due(kept)
    for _ in range(3):
        relay.look(for_lost=False)
    assert [wake_up.id for wake_up in published()] == [known.id]
    for wake_up in unknown:
        row = kept.row(wake_up)
        assert (row.attempt, row.woken_at) == (1, None)
        assert is_set(row.due_at, 5, began)
        assert row.error.startswith("Unknown since ")
    assert of_runs(lifecycle) == []


def test_row_of_an_unknown_receiver_is_dead_when_its_grace_is_over(
    kept: Kept, relay: Relay, lifecycle: Lifecycle
) -> None:
    kept.connect(countdown=3600)
    (wake_up,) = send_due(kept)
    kept.forget()
    kept.change(wake_up, error="Unknown since 1000000000. It is gone.")
    relay.look(for_lost=False)
    relay.look(for_lost=False)
    row = kept.row(wake_up)
    assert row.dead_at is not None
    assert row.attempt == 0
    (told,) = lifecycle.of("receiver_failed")
    assert (told["reason"], told["message"].id) == ("UNKNOWN_GRACE is over", wake_up.id)


# Wake-ups that were lost.


def let_wait(kept: Kept, wake_up: WakeUp, since: float, patience: float) -> None:
    """Let a wake-up be out since some seconds, for which it was to be waited until now."""
    kept.change(wake_up, woken_at=seconds(-since), due_at=seconds(patience - since))


def test_wake_up_that_no_queue_holds_is_published_again_with_twice_the_patience(
    kept: Kept, relay: Relay
) -> None:
    kept.connect(countdown=3600)
    wake_up = kept.send()
    expected = LEASE
    while expected < MOST_PATIENCE:
        let_wait(kept, wake_up, expected + 0.5, expected)
        relay.look(for_lost=True)
        (found,) = published()
        assert (found.id, found.attempt) == (wake_up.id, 0)
        expected = min(2 * expected, MOST_PATIENCE)
        assert abs(patience(kept.row(wake_up)) - expected) < 1
        relay.look(for_lost=True)
        assert published() == []
    assert expected == DAY
    let_wait(kept, wake_up, DAY + 0.5, DAY)
    relay.look(for_lost=True)
    assert len(published()) == 1
    assert abs(patience(kept.row(wake_up)) - DAY) < 1


def test_wake_up_may_wait_in_a_queue_that_has_messages(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    wake_up = kept.send()
    kept.connect(countdown=3600, durable=False, name="tests.other")
    kept.signal.send(None, number=7)  # a message that waits
    OutboxMessage.objects.exclude(pk=wake_up.id).delete()
    let_wait(kept, wake_up, LEASE + 1, LEASE)
    woken_at = kept.row(wake_up).woken_at
    for expected in (2 * LEASE, 4 * LEASE):
        relay.look(for_lost=True)
        row = kept.row(wake_up)
        assert row.woken_at == woken_at or expected > 2 * LEASE
        assert abs(patience(row) - expected) < 3
        let_wait(kept, wake_up, expected + 1, expected)
    waiting = take_celery_messages()
    assert [message.task for message in waiting] == ["tests.other"]
    relay.look(for_lost=True)
    assert [found.id for found in published()] == [wake_up.id]


def test_wake_up_without_a_queue_of_its_own_is_lost_after_an_hour(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    wake_up = kept.send()
    kept.change(wake_up, options='{"exchange": "tests.elsewhere", "routing_key": "any"}')
    let_wait(kept, wake_up, 3500, LEASE)
    before = kept.row(wake_up).woken_at
    relay.look(for_lost=True)
    assert kept.row(wake_up).woken_at == before
    let_wait(kept, wake_up, 3601, LEASE)
    before = kept.row(wake_up).woken_at
    relay.look(for_lost=True)
    assert kept.row(wake_up).woken_at != before


def test_route_that_refuses_ends_no_look_for_lost_wake_ups(
    kept: Kept, relay: Relay, make_current: MakeCurrent
) -> None:
    def route(name: str, *args: object, **kwargs: object) -> None:
        if name == "tests.refused":
            raise OSError("no route")

    kept.connect(countdown=3600, name="tests.refused")
    refused = kept.send()
    kept.connect(countdown=3600, name="tests.routed")
    routed = kept.send()
    OutboxMessage.objects.exclude(pk__in=[refused.id, routed.id]).delete()
    for wake_up in (refused, routed):
        let_wait(kept, wake_up, LEASE + 1, LEASE)
    make_current(broker_url="memory://", task_routes=[route])
    relay.look(for_lost=True)
    assert [found.id for found in published()] == [routed.id]


def test_row_that_was_claimed_meanwhile_is_not_woken_up_again(kept: Kept, relay: Relay) -> None:
    kept.connect(countdown=3600)
    wake_up = kept.send()
    let_wait(kept, wake_up, LEASE + 1, LEASE)
    assert kept.run(wake_up) is not None
    relay.look(for_lost=True)
    assert published() == []


def test_woken_row_runs(kept: Kept, relay: Relay) -> None:
    function = kept.connect(countdown=3600)
    (wake_up,) = send_due(kept)
    relay.look(for_lost=False)
    (found,) = published()
    kept.run(found)
    assert len(function.runs) == 1
    assert kept.is_gone(wake_up)
