"""A relay by itself: when it looks, what it does while the broker is away, and when it gives in."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from django.dispatch import Signal

from deferred_signals.outbox.looping import Loop
from deferred_signals.outbox.lost import LOST_AFTER, by_patience, is_lost
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store
from deferred_signals.outbox.taking import Due, Overdue
from deferred_signals.publishing.patterns import Route
from deferred_signals.publishing.waking import Waking
from deferred_signals.testing import live
from deferred_signals.worker.rows import Received
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected, deferred

from .rows import logged, until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

LEASE = 60.0


class Broken:
    """A broker that takes what it is told to, and knows what it is told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self.is_ready: bool | None = False
        self.published: list[str] = []

    def is_away(self) -> bool:
        return False

    def publish(self, wakings: Sequence[Waking]) -> Mapping[str, BaseException]:
        self.published += [waking.id for waking in wakings]
        return {}

    def route_of(self, waking: Waking) -> tuple[Route, str | None]:
        return Route("", "celery", 0), "celery"

    def has_ready(self, queue: str) -> bool | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.is_ready

    def last_received(self, route: Route) -> Received | None:
        return None


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store()
    yield found
    found.close()


@pytest.fixture
def send(signal: Signal, defer: Connected, broker: Broker) -> Callable[..., str]:
    """Send to a durable receiver; return the id of the row."""
    # With a countdown nothing is published at the commit.
    defer(signal, durable=True, name="tests.of_relays", countdown=9, weak=False)(
        lambda sender, **kwargs: None
    )

    def send() -> str:
        with live():
            [found] = deferred(signal.send(None))
        return found.id

    return send


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what relays have logged, and not what senders have."""
    return [text for text in logged(caplog, logging.WARNING) if "The relay tries again" in text]


def make_due(*, is_woken: bool = False) -> None:
    """Let all rows be due, with or without a wake-up that was published."""
    at = OutboxMessage.objects.earliest("created_at").created_at
    OutboxMessage.objects.update(due_at=at, woken_at=at if is_woken else None)


def test_looks_become_rarer_while_nothing_is_due(store: Store, send: Callable[..., str]) -> None:
    relay = Relay(store)
    waits = [relay.work()[1] for _ in range(6)]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert waits[-2:] == [5.0, 5.0]
    send()
    make_due()
    found, wait = relay.work()
    assert (found.due, found.woken, wait) == (1, 1, 1.0)


def test_full_batch_is_followed_by_the_next_at_once(
    store: Store, send: Callable[..., str], configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"RELAY_BATCH": 2})
    for _ in range(3):
        send()
    make_due()
    relay = Relay(store)
    assert relay.work()[1] == 0.0
    assert relay.work()[1] == 1.0


def test_lost_wake_ups_are_looked_for_at_least_every_ten_seconds(
    store: Store, send: Callable[..., str]
) -> None:
    broker = Broken()
    relay, waited = Relay(store, broker), 0.0
    for _ in range(4):
        waited += relay.work()[1]
    send()
    make_due(is_woken=True)
    while not broker.published:
        waited = relay.work()[1]
        assert waited <= 10
    assert len(broker.published) == 1


def test_question_that_the_broker_does_not_answer_holds_nothing_up(
    store: Store, send: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """What is due is published; what may be lost is looked for later; the log is told once."""
    waits, due = send(), send()
    make_due(is_woken=True)
    OutboxMessage.objects.filter(pk=due).update(woken_at=None)
    broker = Broken()
    broker.error = ConnectionError("away")
    relay = Relay(store, broker)
    found = relay.look(for_lost=True)
    assert broker.published == [due]
    assert (found.woken, found.failure) == (1, broker.error)
    assert relay.work()[1] == 5.0
    assert broker.asked == 1
    assert relay.work()[1] == 10.0
    assert broker.asked == 2
    assert len(complaints(caplog)) == 1
    broker.error = None
    relay.look(for_lost=True)
    assert broker.published == [due, waits]
    assert relay.work()[1] == 1.0


def test_broker_that_is_away_is_told_of_once(
    store: Store,
    send: Callable[..., str],
    broker_away: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On the real line: rows are set back, and the relay waits longer each time."""
    first = send()
    make_due()
    caplog.clear()
    relay = Relay(store)
    found, wait = relay.work()
    assert (found.due, found.woken, wait) == (1, 0, 5.0)
    assert found.failure is not None
    row = OutboxMessage.objects.get(pk=first)
    assert row.woken_at is None
    assert row.due_at is not None
    found, wait = relay.work()
    assert (found.due, wait) == (0, 5.0)
    assert len(complaints(caplog)) == 1


def test_route_that_refuses_is_told_of_once_and_set_aside(
    store: Store,
    send: Callable[..., str],
    make_current: MakeCurrent,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The relay looks as often as ever, for the others."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise LookupError("no such shard")

    refused = send()
    make_current(broker_url="memory://", task_routes=(refuse,))
    relay = Relay(store)
    for _ in range(2):
        make_due()
        found, wait = relay.work()
        assert (found.due, found.woken, wait) == (1, 0, 1.0)
    row = OutboxMessage.objects.get(pk=refused)
    assert row.woken_at is None
    assert row.due_at is not None
    assert until(row.due_at) > 5
    [told] = complaints(caplog)
    assert "of tests.of_relays cannot be published (LookupError: no such shard)" in told


def test_loop_ends_in_time_although_its_work_takes_long() -> None:
    def work() -> float:
        time.sleep(3)
        return 0.0

    loop = Loop("tests.loop", work)
    loop.start()
    time.sleep(0.05)
    began = time.monotonic()
    assert not loop.stop(0.2)
    assert time.monotonic() - began < 1


def test_loop_that_waits_ends_at_once() -> None:
    loop = Loop("tests.loop", lambda: 60.0)
    loop.start()
    time.sleep(0.05)
    began = time.monotonic()
    assert loop.stop(5)
    assert time.monotonic() - began < 1


NOW = 1_000_000.0


def waits_for(seconds: float) -> Overdue:
    return Overdue(Due("id", "tests.of_relays", "", "", 0, NOW), LEASE, seconds)


@pytest.mark.parametrize(
    ("is_ready", "newest", "ago", "since", "expected"),
    [
        (False, None, 0, 61, True),  # its queue is empty
        (True, None, 0, 61, False),
        (True, NOW - 61 + LEASE, 1, 61, True),  # it was overtaken
        (None, NOW - 61 + LEASE, 1, 61, True),  # also where the queue is not known
        (True, NOW - 62 + LEASE, 1, 61, False),
        (True, NOW - 9000, 1, 8000, False),  # it waits behind others that arrive
        (True, NOW - 9000, LOST_AFTER, 8000, True),  # nothing has arrived by its route for an hour
        (True, None, 0, LOST_AFTER, True),  # nothing ever has
        (None, None, 0, LOST_AFTER - 1, False),
    ],
)
def test_wake_up_is_lost_by_three_rules(
    is_ready: bool | None, newest: float | None, ago: float, since: float, expected: bool
) -> None:
    received = None if newest is None else Received(newest, ago)
    assert is_lost(waits_for(since), is_ready, received, LEASE) is expected


@pytest.mark.parametrize(
    ("patience", "next_"), [(0, 120), (60, 120), (119, 240), (240, 480), (80_000, 86_400)]
)
def test_patience_is_doubled_up_to_a_day(patience: float, next_: float) -> None:
    item = waits_for(patience)._replace(patience=patience)
    assert by_patience([item], LEASE) == [(next_, ["id"])]
