"""Relays under load and under faults: few messages a row, every lost wake-up found, nobody starved.

`simulation` has the real table and the real rules; the broker and the clock are simulated.
"""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from django.dispatch import Signal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deferred_signals.outbox import lost
from deferred_signals.outbox.lost import LOST_AFTER
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from tests.support.connected import Connected

from .moved_clock import ClockedStore, movable_time
from .rows import empty_the_table
from .simulation import Delivery, Simulation, View

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

LEASE = 60.0

#: Seconds between two looks for lost wake-ups, at most.
BETWEEN = 10.0

#: Of these a receiver is connected by each name.
NAMES = PLAIN, ASIDE, HIGH, ORDERED = (
    "tests.simulated",
    "tests.simulated_aside",
    "tests.simulated_high",
    "tests.simulated_ordered",
)

#: Nobody knows it.
REMOVED = "tests.removed"


@pytest.fixture
def simulation(defer: Connected, configure: Callable[..., None]) -> Iterator[Simulation]:
    """Give a simulation with a batch that is as small for its rows as the real one for many more."""
    configure(OUTBOX={"LEASE": LEASE, "RELAY_BATCH": 50})

    def connect(name: str, **options: Any) -> None:
        defer(Signal(), durable=True, weak=False, name=name, **options)(
            lambda sender, **kwargs: None
        )

    connect(PLAIN, priority=0)
    connect(ASIDE, queue="aside")
    connect(HIGH, priority=9)
    connect(ORDERED, ordered_by=lambda sender, key, **kwargs: key)
    with movable_time():
        found = Simulation()
        yield found
        found.store.close()


def one_in(number: int, seed: int = 7) -> Callable[[Delivery], bool]:
    """Lose one wake-up in so many."""
    chance = random.Random(seed)
    return lambda _: chance.random() < 1 / number


def assert_ran_once(simulation: Simulation) -> None:
    """Assert that all rows have ended after one run each."""
    assert not OutboxMessage.objects.exists()
    assert [len(runs) for runs in simulation.begun.values()] == [1] * len(simulation.sent)
    assert simulation.least_gap() >= LEASE - 0.01


def test_backlog_is_woken_up_once(simulation: Simulation) -> None:
    """A backlog of forty leases, of two priorities, with three relays."""
    simulation.send(1000, PLAIN)
    simulation.send(1000, HIGH)
    for place in range(3):
        worker = simulation.worker(children=2, seconds=7)
        simulation.relay(worker, begins=place)
    simulation.run(3600)
    assert simulation.seconds > 30 * LEASE
    assert_ran_once(simulation)
    assert simulation.messages() <= 1.1


@pytest.mark.parametrize("prefetch", [1, 4])
def test_slow_runs_of_one_child_are_woken_up_once(simulation: Simulation, prefetch: int) -> None:
    simulation.send(100, PLAIN)
    simulation.relay(simulation.worker(seconds=2, prefetch=prefetch))
    simulation.run(300)
    assert_ran_once(simulation)
    assert simulation.messages() <= 1.1


def test_runs_of_one_key_are_woken_up_twice_at_most(simulation: Simulation) -> None:
    keys = [f"{place:032x}" for place in range(20)]
    for _ in range(15):
        for key in keys:
            simulation.send(1, ORDERED, order_key=key)
    for place in range(3):
        simulation.relay(simulation.worker(children=2, seconds=3), begins=place)
    simulation.run(600)
    assert_ran_once(simulation)
    for key in keys:
        ran = [id_ for order_key, id_ in simulation.keys if order_key == key]
        assert ran == sorted(ran)  # ids are of the order of their sends
    assert simulation.messages() <= 2


def test_lost_wake_ups_are_found_in_a_queue_that_is_never_empty(simulation: Simulation) -> None:
    """Of two priorities, of which the lower one is always behind."""
    simulation.broker.loses = one_in(100)
    simulation.send(100, PLAIN)
    simulation.every(10, lambda: simulation.send(4, PLAIN), 200)
    simulation.every(10, lambda: simulation.send(4, HIGH), 200)
    for place in range(2):
        simulation.relay(simulation.worker(seconds=2.45), begins=place)
    simulation.run(2000, until=lambda: simulation.seconds > 1900)
    assert simulation.broker.count("celery")
    simulation.run(1000)
    found = simulation.lost()
    queued = max(delay for id_, delay in simulation.delays().items() if id_ not in found)
    assert len(found) > 10
    assert max(found.values()) <= 2 * (min(queued, 400) + LEASE) + BETWEEN
    assert_ran_once(simulation)
    assert simulation.messages() <= 1.1


def test_lost_wake_ups_are_found_in_a_queue_that_no_relay_s_worker_consumes(
    simulation: Simulation, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"LEASE": LEASE, "RELAY_BATCH": 50, "RELAY_INTERVAL": 5})
    simulation.broker.loses = one_in(20)
    simulation.send(60, ASIDE)
    simulation.every(10, lambda: simulation.send(1, ASIDE), 450)
    simulation.every(60, lambda: simulation.send(1, PLAIN), 75)
    simulation.worker("aside", seconds=10)
    for place in range(2):
        simulation.relay(simulation.worker(seconds=1), begins=place)
    simulation.run(5000, until=lambda: simulation.seconds > 4400)
    assert simulation.broker.count("aside")
    found = simulation.lost()
    early = [id_ for id_, at in simulation.first_lost().items() if at <= 400]
    assert len(early) > 2
    assert all(LOST_AFTER <= found[id_] <= LOST_AFTER + 10 * LEASE for id_ in early)
    simulation.run(9000)
    assert_ran_once(simulation)
    assert simulation.messages() <= 1.1


def test_lost_wake_ups_are_found_where_the_broker_tells_nothing(simulation: Simulation) -> None:
    """By what overtakes them; the last ones, which nothing overtakes, after an hour."""
    simulation.broker.loses = one_in(30)
    simulation.broker.is_silent = True
    simulation.every(10, lambda: simulation.send(3, PLAIN), 100)
    last: list[str] = []
    simulation.after(1000, lambda: last.extend(simulation.send(1, PLAIN)))
    simulation.after(999, lambda: setattr(simulation.broker, "loses", lambda _: True))
    simulation.after(1001, lambda: setattr(simulation.broker, "loses", lambda _: False))
    simulation.relay(simulation.worker(seconds=3))
    simulation.run(1100, until=lambda: bool(last))
    simulation.run(9000)
    found = simulation.lost()
    assert found.pop(last[0]) >= LOST_AFTER
    assert len(found) > 3
    assert_ran_once(simulation)
    assert simulation.messages() <= 1.1


def test_everything_is_found_that_a_broker_lost(simulation: Simulation) -> None:
    """It starts again without its data; workers go on with what they hold."""
    simulation.send(500, PLAIN)
    for place in range(2):
        simulation.relay(simulation.worker(children=2, seconds=1), begins=place)
    simulation.after(10, simulation.broker.lose_all)
    simulation.run(400)
    assert_ran_once(simulation)
    assert simulation.seconds <= 10 + 2 * LEASE + 500 / 4 + BETWEEN
    assert simulation.messages() <= 2.1


def test_everything_is_found_while_a_broker_loses_all_it_is_given(simulation: Simulation) -> None:
    simulation.broker.loses = lambda _: True
    simulation.send(200, PLAIN)
    simulation.after(5 * LEASE, lambda: setattr(simulation.broker, "loses", lambda _: False))
    simulation.relay(simulation.worker(seconds=0.1))
    simulation.run(20 * LEASE)
    assert_ran_once(simulation)
    # The patience is doubled each time: after 1, 3, and 7 leases.
    assert simulation.messages() <= 4.0
    assert simulation.seconds <= 8 * LEASE


def test_sender_that_dies_before_it_publishes_leaves_rows_that_are_found(
    simulation: Simulation,
) -> None:
    simulation.send(200, PLAIN, is_woken=False)
    simulation.relay(simulation.worker(seconds=0.1))
    simulation.run(3 * LEASE)
    assert_ran_once(simulation)
    assert simulation.messages() == 1
    assert max(simulation.delays().values()) <= LEASE + BETWEEN + 200 * 0.1


def test_rows_of_a_worker_that_died_are_found(simulation: Simulation) -> None:
    simulation.send(100, PLAIN)
    dies, stays = (simulation.worker(children=2, seconds=3) for _ in range(2))
    simulation.relay(dies)
    simulation.relay(stays)
    simulation.after(10, dies.die)
    simulation.run(400)
    again = [runs for runs in simulation.begun.values() if len(runs) > 1]
    assert len(again) == 2
    assert all(second - first <= LEASE + BETWEEN + 100 * 3 / 2 for first, second in again)
    assert not OutboxMessage.objects.exists()
    assert simulation.messages() <= 1.1


def test_broker_that_is_away_is_not_asked_in_a_hurry(simulation: Simulation) -> None:
    """Twenty relays that took and set back what is due in each look would fill the database's log."""
    simulation.broker.is_away = True
    simulation.send(300, PLAIN, countdown=1)
    simulation.after(600, lambda: setattr(simulation.broker, "is_away", False))
    workers = [simulation.worker(seconds=0.1) for _ in range(20)]
    for place, worker in enumerate(workers):
        simulation.relay(worker, begins=place / 20)
    simulation.run(2000)
    assert_ran_once(simulation)
    assert simulation.messages() == 1
    assert simulation.broker.turned_away <= 20 * 50
    assert simulation.seconds <= 600 + 60 + 300 * 0.1


def test_route_that_refuses_holds_nobody_else_up(simulation: Simulation) -> None:
    """Also where a look finds nothing but what is refused."""
    simulation.broker.refuses.add(ASIDE)
    simulation.send(200, ASIDE, countdown=1)
    simulation.every(7, lambda: simulation.send(1, PLAIN, countdown=3), 60)
    simulation.relay(simulation.worker("celery", "aside", seconds=0.1))
    simulation.after(600, simulation.broker.refuses.clear)
    simulation.run(800)
    assert_ran_once(simulation)
    assert max(simulation.delays(PLAIN).values()) <= 3 + 5 + 1


def test_removed_receiver_starves_nobody(simulation: Simulation) -> None:
    """Six hundred rows of one that is removed are in front; no more than its own share of looks is lost."""
    simulation.send(600, REMOVED, countdown=1)
    simulation.send(50, PLAIN, countdown=2)
    simulation.living.difference_update(*[simulation.sent_to[REMOVED]])
    simulation.relay(simulation.worker(seconds=0.1))
    simulation.run(60)
    assert max(simulation.delays(PLAIN).values()) <= 10 + 50 * 0.1
    assert OutboxMessage.objects.count() == 600
    assert {row.attempt for row in OutboxMessage.objects.all()} == {0}


@pytest.mark.parametrize("is_woken", [True, False])
def test_relays_that_look_at_one_moment_publish_no_row_twice(
    simulation: Simulation,
    is_woken: bool,
) -> None:
    """Each on a thread and on a connection of its own: rows that are due, and rows that lost theirs."""
    simulation.broker.loses = lambda _: True
    simulation.send(600, PLAIN, countdown=None if is_woken else 1)
    simulation.clock.now += 2 * LEASE
    simulation.broker.given.clear()
    stores = [ClockedStore(simulation.clock) for _ in range(4)]
    start = threading.Barrier(len(stores))

    def look(store: ClockedStore) -> int:
        relay = Relay(store, View(simulation.broker, "relay", {}))
        start.wait()
        try:
            return relay.look_until_done().woken
        finally:
            store.close()

    with ThreadPoolExecutor(len(stores)) as pool:
        woken = list(pool.map(look, stores))
    assert sum(woken) == 600
    assert [len(given) for given in simulation.broker.given.values()] == [1] * 600


class Fault(NamedTuple):
    """What goes wrong at some time, and for how long."""

    at: int
    lasts: int
    kind: str


faults = st.builds(
    Fault,
    st.integers(0, 200),
    st.integers(1, 200),
    st.sampled_from(["away", "loses", "lose_all", "refuses", "silent", "worker"]),
)

sends = st.tuples(
    st.integers(0, 200),
    st.integers(1, 8),
    st.sampled_from(NAMES),
    st.booleans(),
    st.sampled_from([None, None, 1, 90]),
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> None:
    """Let an hour be ten minutes, and relays look more rarely."""
    monkeypatch.setattr(lost, "LOST_AFTER", 600)
    configure(OUTBOX={"LEASE": LEASE, "RELAY_BATCH": 5, "RELAY_INTERVAL": 3})


def cause(simulation: Simulation, fault: Fault) -> None:
    """Let something go wrong, and go right again."""
    broker, begins, ends = simulation.broker, fault.at, fault.at + fault.lasts
    match fault.kind:
        case "away":
            simulation.after(begins, lambda: setattr(broker, "is_away", True))
            simulation.after(ends, lambda: setattr(broker, "is_away", False))
        case "silent":
            simulation.after(begins, lambda: setattr(broker, "is_silent", True))
            simulation.after(ends, lambda: setattr(broker, "is_silent", False))
        case "loses":
            simulation.after(begins, lambda: setattr(broker, "loses", lambda _: True))
            simulation.after(ends, lambda: setattr(broker, "loses", lambda _: False))
        case "lose_all":
            simulation.after(begins, broker.lose_all)
        case "refuses":
            simulation.after(begins, lambda: broker.refuses.add(PLAIN))
            simulation.after(ends, broker.refuses.clear)
        case "worker":
            dies = simulation.worker("celery", "aside", seconds=5)
            simulation.relay(dies)
            simulation.after(ends, dies.die)


@settings(
    max_examples=40,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sent=st.lists(sends, min_size=1, max_size=8),
    wrong=st.lists(faults, max_size=4),
    relays=st.integers(1, 3),
    seconds=st.floats(0.1, 20),
)
def test_whatever_goes_wrong_every_row_ends(
    simulation: Simulation,
    quick: None,
    sent: list[tuple[int, int, str, bool, int | None]],
    wrong: list[Fault],
    relays: int,
    seconds: float,
) -> None:
    """Also where a row's run fails only with its worker, and whatever the broker does to its wake-ups."""
    empty_the_table()
    simulation = Simulation()
    for fault in wrong:
        cause(simulation, fault)
    for place in range(relays):
        simulation.relay(simulation.worker("celery", "aside", seconds=seconds), begins=place)
    for at, number, name, is_woken, countdown in sent:
        key = f"{at % 2:032x}" if name == ORDERED else None

        def send(
            number: int = number,
            name: str = name,
            is_woken: bool = is_woken,
            countdown: int | None = countdown,
            key: str | None = key,
        ) -> None:
            simulation.send(number, name, is_woken=is_woken, countdown=countdown, order_key=key)

        simulation.after(at, send)
    simulation.after(400, lambda: None)
    simulation.run(400, until=lambda: simulation.seconds == 400)
    simulation.run(2 * (600 + LEASE) + 400)
    simulation.store.close()
    deaths = sum(fault.kind == "worker" for fault in wrong)
    assert not OutboxMessage.objects.exists()
    assert max(map(len, simulation.begun.values())) <= 1 + deaths
    assert simulation.least_gap() >= LEASE - 0.01
    assert max(map(len, simulation.broker.given.values())) <= 8
