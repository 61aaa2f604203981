"""A simulation of relays: real statements on the test database, a broker and clocks that are not real.

Senders, relays and workers take turns as events on one clock. The table, the claims, the takes and the
relay's rules are the library's own.
"""

import heapq
import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import NamedTuple

from deferred_signals import conf
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim, renew
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.releases import remove
from deferred_signals.outbox.rows import Row, insert
from deferred_signals.outbox.taking import take_aside
from deferred_signals.outbox.turns import claim_in_turn
from deferred_signals.outbox.waking import waking_for
from deferred_signals.publishing.patterns import Route
from deferred_signals.publishing.waking import Waking
from deferred_signals.receivers import registry
from deferred_signals.support.ids import new_id
from deferred_signals.worker.rows import Received

from .moved_clock import Clock, ClockedStore

#: Seconds that a relay's publishing takes.
PUBLISHING = 0.05


class Delivery(NamedTuple):
    """A wake-up on the broker."""

    name: str
    wake_up: WakeUp
    route: Route


class Given(NamedTuple):
    """A wake-up that the broker was given: when, by whom, for which run, and whether it lost it."""

    at: float
    by: str
    attempt: int
    is_lost: bool


@dataclass
class Broker:
    """Queues with priorities, the higher first.

    Attributes:
        loses: says of a wake-up whether the broker loses it.
        is_away: whether it takes nothing.
        refuses: receivers whose routes refuse.
        is_silent: whether it does not tell what is in a queue.
        turned_away: how many wake-ups it did not take.
        given: what it took, by the rows' ids.
    """

    clock: Clock
    loses: Callable[[Delivery], bool] = lambda _: False
    is_away: bool = False
    refuses: set[str] = field(default_factory=set)
    is_silent: bool = False
    turned_away: int = 0
    given: dict[str, list[Given]] = field(default_factory=lambda: defaultdict(list))
    _queues: dict[str, list[tuple[int, int, Delivery]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _numbers: "count[int]" = field(default_factory=count)

    def take_in(self, waking: Waking, by: str) -> bool:
        """Take a wake-up in, or lose it; return whether it was taken, as far as one sees."""
        if self.is_away or waking.name in self.refuses:
            self.turned_away += 1
            return False
        found = Delivery(waking.name, WakeUp.from_wire(waking.payload), route_of(waking))
        is_lost = self.loses(found)
        self.given[waking.id].append(Given(self.clock.now, by, waking.attempt, is_lost))
        if not is_lost:
            self.put(found)
        return True

    def put(self, delivery: Delivery) -> None:
        """Put a wake-up into its queue, or back into it."""
        place = -delivery.route.priority, next(self._numbers), delivery
        heapq.heappush(self._queues[delivery.route.key], place)

    def get(self, queues: Sequence[str]) -> Delivery | None:
        """Take the next wake-up off the queues."""
        for queue in queues:
            if self._queues[queue]:
                return heapq.heappop(self._queues[queue])[2]
        return None

    def count(self, queue: str) -> int:
        """Count what waits in a queue."""
        return len(self._queues[queue])

    def lose_all(self) -> None:
        """Lose what is in the queues, as a broker that starts again without its data."""
        self._queues.clear()


def route_of(waking: Waking) -> Route:
    """Return where a wake-up goes."""
    return Route(
        "", str(waking.options.get("queue") or "celery"), waking.options.get("priority") or 0
    )


class View:
    """The broker as one relay sees it: the interface that the real one has."""

    def __init__(self, broker: Broker, by: str, received: dict[Route, tuple[float, float]]) -> None:
        self._broker, self._by, self._received = broker, by, received
        self._has_tried = False

    def is_away(self) -> bool:
        """Know it when it was tried; the real line then asks by itself whether the broker is back."""
        self._has_tried = self._has_tried and self._broker.is_away
        return self._has_tried

    def publish(self, wakings: Sequence[Waking]) -> Mapping[str, BaseException]:
        self._has_tried = True
        return {
            waking.id: ConnectionError("refused")
            for waking in wakings
            if not self._broker.take_in(waking, self._by)
        }

    def route_of(self, waking: Waking) -> tuple[Route, str | None]:
        route = route_of(waking)
        return route, route.key

    def has_ready(self, queue: str) -> bool | None:
        if self._broker.is_away:
            raise ConnectionError("away")
        return None if self._broker.is_silent else self._broker.count(queue) > 0

    def last_received(self, route: Route) -> Received | None:
        found = self._received.get(route)
        return None if found is None else Received(found[0], self._broker.clock.now - found[1])


class Worker:
    """A worker: takes wake-ups off its queues ahead, and runs rows in its children.

    Attributes:
        held: what it took, and does not run yet.
        runs: what its children run.
        received: as the real one notes it.
    """

    def __init__(
        self,
        simulation: "Simulation",
        queues: Sequence[str] = ("celery",),
        *,
        children: int = 1,
        prefetch: int = 4,
        seconds: float = 1.0,
    ) -> None:
        self.name = f"worker {next(simulation.numbers)}"
        self.is_alive = True
        self.held: deque[Delivery] = deque()
        self.runs: dict[str, Delivery] = {}
        self.received: dict[Route, tuple[float, float]] = {}
        self._simulation = simulation
        self._queues = queues
        self._children, self._most = children, children * prefetch
        self._seconds = seconds

    def fill(self) -> None:
        """Take wake-ups, and begin runs."""
        if not self.is_alive:
            return
        while True:
            while len(self.runs) + len(self.held) < self._most:
                found = self._simulation.broker.get(self._queues)
                if found is None:
                    break
                newest, _ = self.received.get(found.route, (0.0, 0.0))
                now = self._simulation.clock.now
                self.received[found.route] = max(newest, found.wake_up.at), now
                self.held.append(found)
            if not self.held or len(self.runs) >= self._children:
                return
            self._begin(self.held.popleft())

    def renew(self) -> None:
        """Renew the claims of what runs."""
        if self.runs and self.is_alive:
            with self._simulation.store.connection("default") as connection:
                renew(connection, [(id_, self.name) for id_ in self.runs], lease())

    def die(self) -> None:
        """Die with all that runs; the broker delivers again what it held."""
        self.is_alive = False
        for delivery in [*self.runs.values(), *self.held]:
            self._simulation.broker.put(delivery)

    def _begin(self, delivery: Delivery) -> None:
        is_ordered = registry.get(delivery.name).options.ordered_by is not None
        with self._simulation.store.connection("default") as connection:
            claimed = (claim_in_turn if is_ordered else claim)(
                connection, delivery.wake_up, delivery.name, self.name, lease()
            )
        if claimed is None:
            return
        self._simulation.note_begin(delivery, claimed.order_key)
        self.runs[delivery.wake_up.id] = delivery
        self._simulation.after(self._seconds, lambda: self._end(delivery, claimed.order_key))

    def _end(self, delivery: Delivery, order_key: str | None) -> None:
        if not self.is_alive:
            return
        id_, attempt = delivery.wake_up.id, delivery.wake_up.attempt + 1
        with self._simulation.store.connection("default") as connection:
            assert remove(connection, id_, attempt), "a row that runs is gone"
            self._simulation.living.discard(id_)
            found = [] if order_key is None else take_aside(connection, order_key, lease())
        for row in found:
            waking = waking_for("default", row, registry.get(row.receiver))
            self._simulation.broker.take_in(waking, self.name)
        del self.runs[id_]


class Simulation:
    """Events on one clock.

    Attributes:
        living: the ids of rows that have not ended.
        begun: when each run of a row began, and at which attempt.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.start = self.clock.now
        self.store = ClockedStore(self.clock)
        self.broker = Broker(self.clock)
        self.numbers = count(1)
        self.living: set[str] = set()
        self.sent: dict[str, float] = {}
        self.sent_to: dict[str, list[str]] = defaultdict(list)
        self.begun: dict[str, list[float]] = defaultdict(list)
        self.keys: list[tuple[str | None, str]] = []
        self.relays = 0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._workers: list[Worker] = []

    @property
    def seconds(self) -> float:
        """Return how long the simulation has gone on."""
        return self.clock.now - self.start

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (self.clock.now + seconds, next(self.numbers), act))

    def every(self, seconds: float, act: Callable[[], object], times: int) -> None:
        """Let something happen again and again."""
        for turn in range(times):
            self.after(seconds * turn, act)

    def send(
        self,
        number: int,
        name: str,
        *,
        is_woken: bool = True,
        countdown: float | None = None,
        order_key: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> list[str]:
        """Commit rows, and publish their wake-ups, unless the sender dies or there is a countdown."""
        told = json.dumps(options) if options else ""
        rows = [
            Row(new_id(), place, name, "", "{}", told, countdown, None, order_key)
            for place in range(number)
        ]
        for start in range(0, number, 100):
            batch = rows[start : start + 100]
            with self.store.connection("default") as connection:
                at = insert(connection, batch, lease())
            for row in batch:
                self.sent[row.id] = self.clock.now
                if is_woken and countdown is None:
                    wake_up = WakeUp("default", row.id, 0, at).to_wire()
                    values = {**registry.get(name).options.publish_values, **(options or {})}
                    self.broker.take_in(Waking(name, row.id, 0, wake_up, "", values), "sender")
        found = [row.id for row in rows]
        self.sent_to[name] += found
        self.living.update(found)
        return found

    def worker(self, *queues: str, **options: float) -> Worker:
        """Start a worker."""
        found = Worker(self, queues or ("celery",), **options)  # type: ignore[arg-type]
        self._workers.append(found)

        def renew_again() -> None:
            found.renew()
            if found.is_alive:
                self.after(lease() / 3, renew_again)

        self.after(lease() / 3, renew_again)
        return found

    def relay(self, of: Worker | None = None, begins: float = 0.0) -> Relay:
        """Start a relay: a worker's, or one by itself."""
        self.relays += 1
        by = f"relay {self.relays}"
        view = View(self.broker, by, {} if of is None else of.received)
        found = Relay(self.store, view)

        def look_again() -> None:
            if of is None or of.is_alive:
                _look, wait = found.work()
                self.after(wait or PUBLISHING, look_again)

        self.after(begins, look_again)
        return found

    def note_begin(self, delivery: Delivery, order_key: str | None) -> None:
        """Note that a run begins."""
        self.begun[delivery.wake_up.id].append(self.clock.now)
        self.keys.append((order_key, delivery.wake_up.id))

    def run(self, at_most: float, until: Callable[[], bool] | None = None) -> None:
        """Let things happen until all rows have ended, or something else is so."""
        end = self.clock.now + at_most
        while self._events and not (until or self._is_over)():
            at, _number, act = heapq.heappop(self._events)
            assert at <= end, f"{len(self.living)} rows live after {at_most} s: {self._tell()}"
            self.clock.now = at
            act()
            for worker in self._workers:
                worker.fill()

    def _is_over(self) -> bool:
        return not self.living

    def _tell(self) -> list[str]:
        rows = OutboxMessage.objects.filter(pk__in=list(self.living)[:5]).values()
        return [f"{row} {self.broker.given[str(row['id'])]}" for row in rows]

    # What it came to.

    def messages(self) -> float:
        """Count the messages that the broker was given, for each row."""
        return sum(map(len, self.broker.given.values())) / len(self.sent)

    def first_lost(self) -> dict[str, float]:
        """Return when each wake-up was lost that was the first of its row, in seconds of the simulation."""
        return {
            id_: given[0].at - self.start
            for id_, given in self.broker.given.items()
            if given[0].is_lost
        }

    def lost(self) -> dict[str, float]:
        """Return for each of them after how long the next one was published, if it was."""
        return {
            id_: given[1].at - given[0].at
            for id_, given in self.broker.given.items()
            if given[0].is_lost and len(given) > 1
        }

    def delays(self, *names: str) -> dict[str, float]:
        """Return how long each row waited for its first run; of some receivers, or of all."""
        ids = [id_ for name in names or self.sent_to for id_ in self.sent_to[name]]
        return {id_: self.begun[id_][0] - self.sent[id_] for id_ in ids}

    def least_gap(self) -> float:
        """Return the least time between two wake-ups of relays for one run of a row."""
        gaps = [
            following.at - one.at
            for given in self.broker.given.values()
            for one, following in pairwise(given)
            if one.attempt == following.attempt and following.by.startswith("relay")
        ]
        return min(gaps, default=float("inf"))


def lease() -> float:
    """Return the setting, in seconds."""
    return conf.current().OUTBOX.LEASE
