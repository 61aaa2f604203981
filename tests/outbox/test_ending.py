"""Ends of claims: tried again while the lease lasts, on a new connection."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer

import pytest
from celery.app.task import Context
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from deferred_signals.outbox import ending
from deferred_signals.outbox.chunks import run_chunk
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.ending import Run, end_patiently
from deferred_signals.outbox.releases import Holder
from deferred_signals.outbox.store import Store
from deferred_signals.running.outcomes import (
    Discarded,
    Failed,
    Lost,
    Outcome,
    Retrying,
    Succeeded,
)
from deferred_signals.worker.delivery import Delivery
from deferred_signals.worker.progress import Progress
from tests.support.lifecycle import Lifecycle

from .rows import Kept, database_away, logged, of_runs

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "PAUSE", 0.05)


@pytest.fixture
def end_of_the_world(kept: Kept) -> Iterator[Callable[[float], None]]:
    """Let the database be away from now on, for some seconds."""
    with ExitStack() as stack:

        def away(for_seconds: float) -> None:
            kept.store.close()
            stack.enter_context(database_away())
            timer = Timer(for_seconds, stack.close)
            timer.start()
            timers.append(timer)

        timers: list[Timer] = []
        yield away
        for timer in timers:
            timer.join()


@pytest.mark.parametrize("error", [None, ConnectionError()], ids=["success", "failure"])
def test_database_that_comes_back_is_told_the_end(
    error: Exception | None,
    kept: Kept,
    lifecycle: Lifecycle,
    end_of_the_world: Callable[[float], None],
) -> None:
    def go_on_without_database() -> None:
        end_of_the_world(0.3)
        if error is not None:
            raise error

    function = kept.connect(go_on_without_database)
    wake_up = kept.send()
    outcome = kept.run(wake_up)
    assert len(function.runs) == 1
    if error is None:
        assert outcome == Succeeded()
        assert kept.is_gone(wake_up)
    else:
        assert isinstance(outcome, Retrying)
        assert (kept.row(wake_up).attempt, kept.row(wake_up).claimed_by) == (1, None)
    assert len(of_runs(lifecycle)) == 2


def test_run_is_left_to_its_lease_where_the_database_stays_away(
    kept: Kept,
    lifecycle: Lifecycle,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
    end_of_the_world: Callable[[float], None],
) -> None:
    configure(OUTBOX={"LEASE": 1.0})
    kept.connect(lambda: end_of_the_world(1.5))
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Lost)
    assert of_runs(lifecycle) == ["receiver_started"]
    (told,) = logged(caplog, logging.WARNING)
    assert "cannot be settled" in told
    row = kept.row(wake_up)
    assert row.attempt == 1
    assert row.claimed_by is not None


def test_chunk_is_left_to_its_lease_where_the_database_stays_away(
    kept: Kept,
    lifecycle: Lifecycle,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
    end_of_the_world: Callable[[float], None],
) -> None:
    def go_on_without_database() -> None:
        if len(receiver.runs) == 2:
            end_of_the_world(1.5)

    configure(OUTBOX={"LEASE": 1.0})
    receiver = kept.connect(go_on_without_database)
    wake_ups = [kept.send(), kept.send()]
    request = Context({"id": "a-chunk", "delivery_info": {}})
    run_chunk(kept.store, Delivery(kept.name, request, calls=2), wake_ups, Progress())
    assert len(receiver.runs) == 2
    assert of_runs(lifecycle) == ["receiver_started", "receiver_started"]
    (told,) = logged(caplog, logging.WARNING)
    assert "cannot be settled" in told
    rows = [kept.row(wake_up) for wake_up in wake_ups]
    assert [row.attempt for row in rows] == [1, 1]
    assert all(row.claimed_by is not None for row in rows)


class ForgetfulStore(Store):
    """A store whose first statement arrives, and whose answer is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    @contextmanager
    def connection(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        with super().connection(alias) as connection:
            yield connection
            self.lost += 1
            if self.lost == 1:
                raise OperationalError("server closed the connection unexpectedly")


OUTCOMES = [Succeeded(), Discarded("no"), Retrying(ValueError(), 5), Failed(ValueError(), "no")]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_end_whose_answer_was_lost_is_told(outcome: Outcome, kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    with kept.store.connection("default") as own:
        assert claim(own, wake_up, kept.name, "here 1", 60)
    store = ForgetfulStore()
    assert end_patiently(store, Run("default", wake_up.id, Holder(1)), outcome) == outcome
    assert store.lost == 2
    store.close()


@pytest.mark.parametrize("outcome", OUTCOMES[1:], ids=lambda outcome: type(outcome).__name__)
def test_end_of_a_claim_that_was_lost_is_not_told(outcome: Outcome, kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, attempt=2, claimed_by="there 1")
    store = ForgetfulStore()
    found = end_patiently(store, Run("default", wake_up.id, Holder(1)), outcome)
    assert isinstance(found, Lost)
    store.close()
