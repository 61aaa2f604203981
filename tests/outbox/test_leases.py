"""What a worker's parent does for the rows that its children run: renewals, and charges for deaths."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import state

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.leases import Leases
from deferred_signals.outbox.running import owner_of
from deferred_signals.outbox.store import Store
from deferred_signals.outbox.worker import OutboxRows
from deferred_signals.worker.parent import ReceiverRequest
from deferred_signals.worker.rows import keep_rows_in, rows, running_wake_ups
from tests.project.celery import app
from tests.support.lifecycle import Lifecycle
from tests.support.processes import wait_until

from .rows import NOWHERE, Kept, database_away, death, is_set, logged, now, of_runs, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

CHILD = 4711
KILLED = WorkerLostError("killed")


@pytest.fixture
def leases() -> Iterator[Leases]:
    found = Leases(Store())
    yield found
    found.end(10)


def claim_for(kept: Kept, wake_up: WakeUp, pid: int = CHILD) -> None:
    with kept.store.connection("default") as own:
        assert claim(own, wake_up, kept.name, owner_of(pid), 60)


# Deaths.


@pytest.mark.parametrize("is_claimed", [False, True], ids=["before the claim", "after the claim"])
@pytest.mark.parametrize("error", [KILLED, TimeLimitExceeded(5)], ids=["killed", "time limit"])
def test_death_is_charged_and_told_once(
    is_claimed: bool, error: Exception, kept: Kept, leases: Leases, lifecycle: Lifecycle
) -> None:
    began = now()
    kept.connect()
    wake_up = kept.send()
    if is_claimed:
        claim_for(kept, wake_up)
    for _ in range(2):
        leases.note(death(kept.name, wake_up, CHILD, error))
    leases.end(10)
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.woken_at) == (1, None, None)
    assert is_set(row.due_at, 5, began)
    assert type(error).__name__ in row.error
    assert of_runs(lifecycle) == ["receiver_retrying"]


def test_last_death_makes_the_row_dead(kept: Kept, leases: Leases, lifecycle: Lifecycle) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, attempt=2)
    last = wake_up._replace(attempt=2)
    claim_for(kept, last)
    leases.note(death(kept.name, last, CHILD, KILLED))
    leases.end(10)
    assert kept.row(wake_up).dead_at is not None
    (told,) = lifecycle.of("receiver_failed")
    assert (told["reason"], told["message"].attempt) == ("attempt 3 of 3 failed", 3)


@pytest.mark.parametrize("what", ["runs elsewhere", "other task", "gone", "no outbox", "unknown"])
def test_death_that_is_nobodys_business_changes_nothing(
    what: str, kept: Kept, leases: Leases, lifecycle: Lifecycle
) -> None:
    kept.connect()
    wake_up, name = kept.send(), kept.name
    died, pid = wake_up, CHILD
    match what:
        case "runs elsewhere":
            claim_for(kept, wake_up, CHILD + 1)
        case "other task":
            name = "tests.other"
        case "gone":
            died = wake_up._replace(id=NOWHERE)
        case "no outbox":
            died = wake_up._replace(using="nowhere")
        case "unknown":
            kept.forget()
    before = kept.row(wake_up)
    leases.note(death(name, died, pid, KILLED))
    leases.end(10)
    row = kept.row(wake_up)
    assert (row.attempt, row.due_at, row.error) == (before.attempt, before.due_at, "")
    assert of_runs(lifecycle) == []


def test_death_is_charged_when_its_database_is_back(kept: Kept, leases: Leases) -> None:
    kept.connect()
    wake_up = kept.send()
    with database_away():
        leases.note(death(kept.name, wake_up, CHILD, KILLED))
        with pytest.raises(TimeoutError):
            wait_until(lambda: kept.row(wake_up).attempt == 1, 0.3, "a charge")
    leases.end(10)
    assert kept.row(wake_up).attempt == 1


def test_death_that_cannot_be_charged_holds_up_no_other(
    kept: Kept, leases: Leases, caplog: pytest.LogCaptureFixture
) -> None:
    """A filter of the project's fails, of which `logging` itself takes no care."""
    kept.connect()
    first, second = kept.send(), kept.send()

    def fail(record: logging.LogRecord) -> bool:
        if first.id in record.getMessage() and "lease decides" not in record.getMessage():
            raise RuntimeError("a filter")
        return True

    logger = logging.getLogger("deferred_signals")
    logger.addFilter(fail)
    try:
        for wake_up in (first, second):
            leases.note(death(kept.name, wake_up, CHILD, KILLED))
        leases.end(10)
    finally:
        logger.removeFilter(fail)
    assert kept.row(second).attempt == 1
    assert any("lease decides" in text for text in logged(caplog, logging.ERROR))


def test_deaths_of_a_database_that_is_away_hold_up_no_other_ones(
    kept: Kept, leases: Leases
) -> None:
    kept.connect()
    wake_up = kept.send()
    with database_away("other"):
        leases.note(death(kept.name, wake_up._replace(using="other"), CHILD, KILLED))
        leases.note(death(kept.name, wake_up, CHILD, KILLED))
        wait_until(lambda: kept.row(wake_up).attempt == 1, 10, "a charge")


# Renewals.


@pytest.fixture
def runs_here(kept: Kept) -> Iterator[Callable[..., ReceiverRequest]]:
    """Let tasks run in this worker, as its parent sees it."""
    made: list[ReceiverRequest] = []

    def runs_here(*arguments: object, pid: int | None = CHILD) -> ReceiverRequest:
        with app.connection_for_write() as connection:
            queue = connection.SimpleQueue("tests.leases")
            app.tasks[kept.name].apply_async(arguments, queue="tests.leases")
            message = queue.get_nowait()
            queue.close()
        request = ReceiverRequest(message, app=app, on_ack=lambda *_: None)
        request.worker_pid = pid
        state.task_accepted(request)
        made.append(request)
        return request

    yield runs_here
    for request in made:
        state.task_ready(request)


@pytest.fixture
def short_lease(configure: Callable[..., None]) -> None:
    configure(OUTBOX={"LEASE": 1.0, "DATABASES": ["other", "default"]})


def test_rows_that_run_are_those_of_the_active_requests(
    kept: Kept, runs_here: Callable[..., ReceiverRequest]
) -> None:
    kept.connect()
    texts = [kept.send().to_wire(), kept.send().to_wire()]
    runs_here(texts[0])
    runs_here(texts[1], pid=None)
    runs_here("no wake-up", 7, None)
    assert sorted(running_wake_ups()) == sorted([(texts[0], CHILD), (texts[1], os.getpid())])


def wait_for_renewal(kept: Kept, wake_up: WakeUp) -> None:
    def due() -> Any:
        return kept.row(wake_up).due_at

    now = due()
    wait_until(lambda: due() > now, 10, "a renewal")


@pytest.mark.usefixtures("short_lease")
def test_claims_of_what_runs_are_renewed(
    kept: Kept, leases: Leases, runs_here: Callable[..., ReceiverRequest]
) -> None:
    kept.connect()
    ours, theirs = kept.send(), kept.send()
    claim_for(kept, ours)
    claim_for(kept, theirs, CHILD + 1)
    for wake_up in (ours, theirs):
        kept.change(wake_up, due_at=seconds(0.5))
        runs_here(wake_up.to_wire())
    before = kept.row(theirs).due_at
    leases.loop.start()
    for _ in range(3):
        wait_for_renewal(kept, ours)
    assert kept.row(theirs).due_at == before


@pytest.mark.usefixtures("short_lease")
def test_database_that_is_away_holds_up_no_renewals_of_another(
    kept: Kept, leases: Leases, runs_here: Callable[..., ReceiverRequest]
) -> None:
    kept.connect()
    wake_up = kept.send()
    claim_for(kept, wake_up)
    kept.change(wake_up, due_at=seconds(0.5))
    runs_here(wake_up._replace(using="other").to_wire())
    runs_here(wake_up.to_wire())
    runs_here('{"wake":1,"using":"default","id":"forged"}')
    runs_here(wake_up._replace(using="nowhere").to_wire())
    with database_away("other"):
        leases.loop.start()
        for _ in range(2):
            wait_for_renewal(kept, wake_up)


# The parent.


@pytest.fixture
def outbox() -> Iterator[None]:
    before = keep_rows_in(OutboxRows)
    yield
    rows().end()
    keep_rows_in(before)


def end_by(request: ReceiverRequest, error: BaseException) -> None:
    """Tell the parent what ended the run."""
    try:
        raise error
    except BaseException:  # noqa: BLE001 - as billiard does
        info = ExceptionInfo()
    request.on_failure(info)


@pytest.mark.usefixtures("outbox")
def test_parent_leaves_the_charge_to_a_thread_and_acknowledges(
    kept: Kept, runs_here: Callable[..., ReceiverRequest], lifecycle: Lifecycle
) -> None:
    kept.connect()
    wake_up = kept.send()
    claim_for(kept, wake_up)
    request = runs_here(wake_up.to_wire())
    request.on_timeout(soft=False, timeout=1)
    end_by(request, KILLED)
    assert request.acknowledged
    wait_until(lambda: kept.row(wake_up).claimed_by is None, 10, "a charge")
    rows().end()
    assert kept.row(wake_up).attempt == 1
    assert of_runs(lifecycle) == ["receiver_retrying"]


@pytest.mark.parametrize("text", ['{"wake":1,', '{"wake":1,"using":"default","id":"forged"}'])
@pytest.mark.usefixtures("outbox")
def test_forged_wake_up_whose_process_died_is_acknowledged(
    text: str, kept: Kept, runs_here: Callable[..., ReceiverRequest]
) -> None:
    kept.connect()
    request = runs_here(text)
    end_by(request, KILLED)
    assert request.acknowledged


def test_parent_without_an_outbox_acknowledges(
    kept: Kept, runs_here: Callable[..., ReceiverRequest]
) -> None:
    kept.connect()
    wake_up = kept.send()
    request = runs_here(wake_up.to_wire())
    before = keep_rows_in(None)
    try:
        end_by(request, KILLED)
    finally:
        keep_rows_in(before)
    assert request.acknowledged
    assert kept.row(wake_up).attempt == 0


@pytest.mark.parametrize("relay", [True, False])
def test_relay_may_be_left_to_others_and_renewals_may_not(
    relay: bool, configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"RELAY_IN_WORKER": relay})

    def names() -> set[str]:
        found = {thread.name for thread in threading.enumerate()}
        return found & {"deferred_signals.leases", "deferred_signals.relay"}

    outbox: Any = OutboxRows()
    outbox.begin()
    outbox.begin()
    expected = {"deferred_signals.leases", *(["deferred_signals.relay"] if relay else [])}
    assert names() == expected
    outbox.end()
    assert names() == set()
