"""Any schedule of sends, blocks, claims, deaths, late wake-ups, relays and operations, against a model.

The table, the statements and the relay are the library's own. The broker is a bag of wake-ups, out of
which any may come at any time, again, or never. The model is what docs/durable.md says of a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from django.db import connection, connections
from django.dispatch import Signal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deferred_signals import Retry
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import (
    Selection,
    StillRuns,
    cancel,
    discard,
    pause,
    purge,
    replay,
    resume,
)
from deferred_signals.outbox.claims import Claimed, claim
from deferred_signals.outbox.dialects import dialect_of, moment_of, time_of
from deferred_signals.outbox.ending import Run, end
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.releases import Holder
from deferred_signals.outbox.store import Store
from deferred_signals.outbox.turns import claim_in_turn
from deferred_signals.publishing.patterns import Route
from deferred_signals.publishing.waking import Waking
from deferred_signals.running.outcomes import Discarded, Failed, Lost, Outcome, Retrying, Succeeded
from deferred_signals.testing import live
from deferred_signals.worker.rows import Received
from tests.support.blocks import Blocks
from tests.support.connected import Connected, deferred

from .rows import empty_the_table

POLICY = Retry(max_attempts=None, timeout=86_400, wait_initial=60, wait_jitter=0)

#: Receivers, and whether their messages of one key run in order.
NAMES = {"tests.machine.plain": False, "tests.machine.ordered": True}

KEYS = ("a", "b")

#: With more of them, less happens to each.
MOST_ROWS = 3


@dataclass
class Row:
    """What a row should be.

    Attributes:
        name: its receiver's.
        key: of its order; None: it has none.
        attempt: runs that were begun.
        is_dead: it is a dead letter.
        owner: the process that has claimed it.
        is_woken: a wake-up is out.
        is_due: its time has come.
        is_aside: its wake-up came before its turn, or it was held for a pause.
        holds_key: it keeps others of its key from being claimed.
    """

    name: str
    key: str | None
    attempt: int = 0
    is_dead: bool = False
    owner: str | None = None
    is_woken: bool = True
    is_due: bool = False
    is_aside: bool = False
    holds_key: bool = False

    def release(self, **changes: Any) -> None:
        """Have no owner any more."""
        self.owner, self.is_woken, self.is_aside, self.holds_key = None, False, False, False
        for name, value in changes.items():
            setattr(self, name, value)


class Running(NamedTuple):
    """A run that has begun, and has not ended yet."""

    id: str
    attempt: int
    owner: str
    claimed: Claimed


class Sent(NamedTuple):
    """A message that waits for its commit."""

    id: str
    name: str
    key: str | None


class Bag:
    """A broker that takes everything, and whose queues are always empty, as far as it says."""

    def __init__(self) -> None:
        self.taken: list[WakeUp] = []

    def is_away(self) -> bool:
        return False

    def publish(self, wakings: Sequence[Waking]) -> Mapping[str, BaseException]:
        self.taken += [WakeUp.from_wire(waking.payload) for waking in wakings]
        return {}

    def route_of(self, waking: Waking) -> tuple[Route, str | None]:
        return Route("", "celery", 0), "celery"

    def has_ready(self, queue: str) -> bool | None:
        return False

    def last_received(self, route: Route) -> Received | None:
        return None


class Schedule(Blocks[Sent]):
    """Do anything in any order; the model does the same."""

    def __init__(self) -> None:
        super().__init__()
        #: All rows, in the order in which they were written.
        self.rows: dict[str, Row] = {}
        #: The receiver of each message that was sent.
        self.names: dict[str, str] = {}
        self.committed: set[str] = set()
        #: Ids of messages that are through, and how.
        self.through: dict[str, str] = {}
        self.wake_ups: list[WakeUp] = []
        self.runs: list[Running] = []
        self.paused: set[str] = set()

    @initialize()
    def connect(self) -> None:
        self.defer = Connected()
        self.signals: dict[str, Any] = {}
        for name, is_ordered in NAMES.items():
            self.signals[name] = Signal()
            options = {"ordered_by": lambda sender, key, **kwargs: key} if is_ordered else {}
            self.defer(
                self.signals[name], durable=True, name=name, retry=POLICY, weak=False, **options
            )(lambda sender, **kwargs: None)
        self.store, self.bag = Store(), Bag()
        self.relay = Relay(self.store, self.bag)

    # What senders do: few messages, in blocks that do not last, so that much happens to each.

    @precondition(lambda self: not self.blocks and len(self.rows) < MOST_ROWS)
    @rule()
    def begin(self) -> None:
        self.enter(savepoint=True)

    @precondition(lambda self: len(self.blocks) == 1 and not self.doomed)
    @rule(savepoint=st.booleans())
    def begin_without_a_savepoint(self, savepoint: bool = False) -> None:  # noqa: FBT002 - drawn
        self.enter(savepoint=savepoint)

    @precondition(lambda self: not self.doomed and len(self.rows) < MOST_ROWS)
    @rule(name=st.sampled_from([*NAMES]), key=st.sampled_from(KEYS))
    def send(self, name: str, key: str) -> None:
        (sent,) = deferred(self.signals[name].send(None, key=key))
        self.names[sent.id] = name
        self.happen(Sent(sent.id, name, key if NAMES[name] else None))

    def commit(self, entries: list[Sent]) -> None:
        for sent in entries:
            self.committed.add(sent.id)
            self.rows[sent.id] = Row(sent.name, sent.key)
            self.wake_ups.append(WakeUp("default", sent.id, 0, 1.0))

    # What workers do.

    @precondition(lambda self: self.wake_ups and not self.blocks)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        wake_up = data.draw(st.sampled_from(self.wake_ups))
        self.wake_ups.remove(wake_up)
        self.claim_for(wake_up)

    @precondition(lambda self: self.wake_ups and not self.blocks)
    @rule(data=st.data())
    def claim_for_a_wake_up_that_comes_again(self, data: st.DataObject) -> None:
        self.claim_for(data.draw(st.sampled_from(self.wake_ups)))

    def claim_for(self, wake_up: WakeUp) -> None:
        self.number += 1
        owner, name = f"here {self.number}", self.names[wake_up.id]
        act = claim_in_turn if NAMES[name] else claim
        with self.store.connection("default") as own:
            claimed = act(own, wake_up, name, owner, 60)
        assert (claimed is not None) is self.is_claimed(wake_up, owner)
        if claimed is not None:
            self.runs.append(Running(wake_up.id, wake_up.attempt + 1, owner, claimed))

    def is_claimed(self, wake_up: WakeUp, owner: str) -> bool:
        row = self.rows.get(wake_up.id)
        if row is None or row.is_dead or row.attempt != wake_up.attempt:
            return False
        if row.key is not None and (self.is_blocked(wake_up.id) or self.is_held(wake_up.id)):
            if row.owner is None:
                row.is_woken, row.is_due, row.is_aside = False, False, True
            return False
        if row.name in self.paused:
            if row.owner is None:
                row.is_woken, row.is_due = False, True
            return False
        row.attempt, row.owner = row.attempt + 1, owner
        row.is_woken, row.is_due, row.is_aside = False, False, False
        row.holds_key = row.key is not None
        return True

    def is_blocked(self, id_: str) -> bool:
        return self.first_of(self.rows[id_].key) not in (None, id_) and any(
            other == id_ for other in self.after_the_first(self.rows[id_].key)
        )

    def first_of(self, key: str | None) -> str | None:
        return next(self.living_of(key), None)

    def after_the_first(self, key: str | None) -> list[str]:
        return [*self.living_of(key)][1:]

    def living_of(self, key: str | None) -> Iterator[str]:
        if key is not None:
            yield from (id_ for id_, row in self.rows.items() if row.key == key and not row.is_dead)

    def is_held(self, id_: str) -> bool:
        key = self.rows[id_].key
        return self.rows[id_].name not in self.paused and any(
            row.holds_key and row.key == key for other, row in self.rows.items() if other != id_
        )

    @precondition(lambda self: self.runs and not self.blocks)
    @rule(data=st.data(), how=st.sampled_from(["succeed", "discard"]))
    def end_a_run(self, data: st.DataObject, how: str) -> None:
        running = data.draw(st.sampled_from(self.runs))
        self.runs.remove(running)
        self.end_so(running, how)

    @precondition(lambda self: self.runs and not self.blocks)
    @rule(data=st.data(), how=st.sampled_from(["retry", "fail"]))
    def fail_a_run(self, data: st.DataObject, how: str) -> None:
        self.end_a_run(data, how)

    def end_so(self, running: Running, how: str) -> None:
        error = ConnectionError("it is away")
        outcomes: dict[str, Outcome] = {
            "succeed": Succeeded(),
            "retry": Retrying(error, 60),
            "fail": Failed(error, "it is over"),
            "discard": Discarded("it is not wanted"),
        }
        holder = Holder(running.attempt)
        found = self.ended(running, holder, outcomes[how])
        row = self.rows.get(running.id)
        is_own = row is not None and row.attempt == running.attempt
        if how == "succeed" and not NAMES[self.names[running.id]]:
            assert not isinstance(found, Lost)
            if row is not None:
                self.go(running.id, "succeeded")
            return
        if how in {"retry", "fail"}:
            is_own = is_own and row is not None and not row.is_dead
        assert isinstance(found, Lost) is not is_own
        if not is_own or row is None:
            return
        if how == "retry":
            row.release(is_due=False)
            return
        if how == "fail":
            row.release(is_due=False, is_dead=True)
        else:
            self.go(running.id, "succeeded" if how == "succeed" else "discarded")
        self.wake_next(row.key)

    def ended(self, running: Running, holder: Holder, outcome: Outcome) -> object:
        claimed = running.claimed
        this = Run("default", running.id, holder, claimed.error, order_key=claimed.order_key)
        with self.store.connection("default") as own:
            return end(own, this, outcome)

    def go(self, id_: str, how: str) -> None:
        del self.rows[id_]
        self.through[id_] = how

    def wake_next(self, key: str | None) -> None:
        """Wake up the row whose turn it is, as whoever ends the one before does."""
        id_ = self.first_of(key)
        if id_ is None:
            return
        row = self.rows[id_]
        if row.owner is None and row.is_aside and row.name not in self.paused:
            row.release(is_woken=True, is_due=False)
            self.wake_ups.append(WakeUp("default", id_, row.attempt, 1.0))

    @precondition(lambda self: (self.runs or self.wake_ups) and not self.blocks)
    @rule(data=st.data())
    def something_dies(self, data: st.DataObject) -> None:
        """Lose a wake-up, or a worker, or its child, which may not have claimed anything yet."""
        victims: list[Running | WakeUp] = [*self.runs, *self.wake_ups]
        victim = data.draw(st.sampled_from(victims))
        if isinstance(victim, Running):
            self.runs.remove(victim)
            run = victim
        else:
            self.wake_ups.remove(victim)
            run = Running(victim.id, victim.attempt + 1, "here 0", Claimed("", "", 0.0, None))
        if data.draw(st.booleans()):  # its parent has noticed
            self.charge(run)

    def charge(self, running: Running) -> None:
        holder = Holder(running.attempt, dead=running.owner)
        found = self.ended(running, holder, Retrying(ConnectionError("it died"), 60))
        row = self.rows.get(running.id)
        is_own = (
            row is not None
            and not row.is_dead
            and (
                row.attempt == running.attempt - 1
                or (row.attempt == running.attempt and row.owner == running.owner)
            )
        )
        assert isinstance(found, Lost) is not is_own
        if row is not None and is_own:
            row.release(is_due=False, attempt=running.attempt)

    # What relays and time do.

    def time_passes(self) -> None:
        """Let every lease end, and every wait."""
        past = dialect_of(connection).after(-1)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET due_at = {past.sql} WHERE dead_at IS NULL",  # noqa: S608 - no values
                past.values,
            )
        for row in self.rows.values():
            row.is_due = not row.is_dead

    @precondition(lambda self: self.rows and not self.blocks)
    @rule(late=st.booleans())
    def relay_looks(self, late: bool) -> None:
        if late:
            self.time_passes()
        self.bag.taken.clear()
        self.relay.look(for_lost=True)
        for id_, row in self.rows.items():
            is_blocked = row.key is not None and not row.is_dead and self.is_blocked(id_)
            if is_blocked and row.is_due and not row.is_woken and row.owner is None:
                row.is_due, row.is_aside = False, True
            if row.is_due and row.name in self.paused:
                row.release(is_due=False, is_aside=True)
        expected = []
        for id_, row in self.rows.items():
            if row.is_dead or not row.is_due:
                continue
            if not row.is_woken and row.key is not None and self.is_blocked(id_):
                continue
            row.release(is_woken=True, is_due=False)
            expected.append((id_, row.attempt))
        assert sorted((one.id, one.attempt) for one in self.bag.taken) == sorted(expected)
        self.wake_ups += self.bag.taken

    # What people do.

    @precondition(lambda self: self.rows and not self.blocks)
    @rule(
        data=st.data(),
        what=st.sampled_from(["replay", "replay", "pause", "purge", "cancel", "discard"]),
    )
    def operate(self, data: st.DataObject, what: str) -> None:
        if what == "replay":
            self.replay_all()
        elif what == "pause":
            self.pause_or_resume(data.draw(st.sampled_from([*NAMES])))
        elif what == "purge":
            assert purge() == 0
        elif what == "discard":
            self.discard_one(data.draw(st.sampled_from([*self.rows])))
        else:
            self.cancel_one(data.draw(st.sampled_from([*self.rows])), data.draw(st.booleans()))

    def replay_all(self) -> None:
        dead = [row for row in self.rows.values() if row.is_dead]
        assert replay(Selection()) == len(dead)
        for row in dead:
            row.release(attempt=0, is_dead=False, is_due=True)

    def discard_one(self, id_: str) -> None:
        is_dead = self.rows[id_].is_dead
        assert discard(Selection(ids=(id_,))) == is_dead
        if is_dead:
            self.go(id_, "discarded")

    def cancel_one(self, id_: str, force: bool) -> None:
        row = self.rows[id_]
        if row.owner is not None and not force:
            with pytest.raises(StillRuns):
                cancel(id_)
            return
        assert cancel(id_, force=force)
        self.go(id_, "cancelled")
        following = self.first_of(row.key)
        if following is not None:
            after = self.rows[following]
            if after.owner is None and after.is_aside and not after.is_woken:
                after.is_due = True

    def pause_or_resume(self, name: str) -> None:
        if name in self.paused:
            assert resume(name)
            self.paused.remove(name)
            for row in self.rows.values():
                row.is_due = row.is_due or (row.name == name and row.is_aside)
        else:
            assert pause(name)
            self.paused.add(name)

    @invariant()
    def table_is_as_the_model_says(self) -> None:
        if self.blocks:
            return
        now = time_of(connection)
        found = {
            str(row.pk): (
                row.receiver,
                row.attempt,
                row.dead_at is not None,
                row.claimed_by,
                row.woken_at is not None,
                row.due_at is not None and moment_of(connection, row.due_at) <= now,
                row.claimed_at is not None and row.claimed_by is None,
                row.running_key is not None,
            )
            for row in OutboxMessage.objects.all()
        }
        assert found == {
            id_: (
                row.name,
                row.attempt,
                row.is_dead,
                row.owner,
                row.is_woken,
                row.is_due,
                row.is_aside,
                row.holds_key,
            )
            for id_, row in self.rows.items()
        }

    def teardown(self) -> None:
        try:
            self.end_all()
            self.table_is_as_the_model_says()
            self.run_everything()
            assert self.committed == self.rows.keys() | self.through.keys()
        finally:
            self.store.close()
            self.defer.end()
            empty_the_table()
            vars(connections["default"]).pop("commit", None)

    def run_everything(self) -> None:
        """Let a worker and a relay do what is left: nothing but dead letters is."""
        for name in [*self.paused]:
            self.pause_or_resume(name)
        self.runs.clear()
        for _ in range(2 * len(self.rows) + 2):
            self.relay_looks(late=True)
            while self.wake_ups:
                self.claim_for(self.wake_ups.pop())
                for running in self.runs:
                    self.end_so(running, "succeed")
                self.runs.clear()
            self.table_is_as_the_model_says()
        assert all(row.is_dead for row in self.rows.values())


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
@pytest.mark.usefixtures("broker")
def test_any_schedule_leaves_the_table_as_the_model_says() -> None:
    # A statement takes longer on a server.
    count = 40 if connection.vendor == "sqlite" else 10
    brief = settings(max_examples=count, stateful_step_count=60, deadline=None)
    with live():
        run_state_machine_as_test(Schedule, settings=brief)
