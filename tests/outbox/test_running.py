"""Runs of rows in this process, by the steps of a worker's child: claim, run, settle."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal

from deferred_signals import Discard, Retry, RetryLater
from deferred_signals.errors import ConfigurationError, RedeliveredTooOften
from deferred_signals.events import receiver_started
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.store import Store
from deferred_signals.outbox.worker import OutboxRows
from deferred_signals.running.outcomes import (
    Discarded,
    Failed,
    Lost,
    Retrying,
    Succeeded,
)
from deferred_signals.worker.delivery import Delivery, GivenBack
from tests.app.models import Label, Order
from tests.support.connected import running
from tests.support.lifecycle import Lifecycle

from .rows import POLICY, Kept, database_away, is_set, logged, now, of_runs, seconds, until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

both = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])
only_servers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="a file has no connection that could break"
)


def has_left() -> bool:
    """Tell whether what the receiver wrote is there."""
    return Label.objects.filter(name="left").exists()


@both
def test_success_removes_the_row(atomic: bool, kept: Kept, lifecycle: Lifecycle) -> None:
    function = kept.connect(atomic=atomic)
    wake_up = kept.send(number=7)
    assert kept.run(wake_up) == Succeeded()
    assert kept.is_gone(wake_up)
    assert has_left()
    assert [kwargs["number"] for kwargs in function.runs] == [7]
    assert of_runs(lifecycle) == ["receiver_started", "receiver_succeeded"]


@both
def test_row_that_is_through_or_runs_elsewhere_is_nobodys_business(
    atomic: bool, kept: Kept, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    function = kept.connect(atomic=atomic)
    through, elsewhere = kept.send(), kept.send()
    kept.run(through)
    with kept.store.connection("default") as own:
        assert claim(own, elsewhere, kept.name, "there 1", 60)
    lifecycle.seen.clear()
    assert kept.run(through) is None
    assert kept.run(elsewhere) is None
    assert len(function.runs) == 1
    assert (of_runs(lifecycle), logged(caplog)) == ([], [])


@both
def test_failure_waits_for_its_next_run(atomic: bool, kept: Kept, lifecycle: Lifecycle) -> None:
    began = now()
    error = ConnectionError("no gateway")
    kept.connect(error, atomic=atomic)
    wake_up = kept.send()
    assert kept.run(wake_up) == Retrying(error, 5)
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.woken_at) == (1, None, None)
    assert is_set(row.due_at, 5, began)
    assert "ConnectionError: no gateway" in row.error
    assert has_left() is not atomic
    (told,) = lifecycle.of("receiver_retrying")
    assert (told["exception"], told["wait"], told["message"].attempt) == (error, 5, 1)


@both
def test_message_that_keeps_failing_is_dead_after_its_attempts(
    atomic: bool, kept: Kept, lifecycle: Lifecycle
) -> None:
    function = kept.connect(ConnectionError("no gateway"), atomic=atomic)
    wake_up = kept.send()
    outcomes = kept.run_through(wake_up)
    assert [type(outcome) for outcome in outcomes] == [Retrying, Retrying, Failed]
    assert len(function.runs) == 3
    row = kept.row(wake_up)
    assert (row.attempt, row.due_at, row.claimed_by) == (3, None, None)
    assert row.dead_at is not None
    (told,) = lifecycle.of("receiver_failed")
    assert (told["reason"], told["message"].id) == ("attempt 3 of 3 failed", wake_up.id)
    assert kept.run(wake_up._replace(attempt=3)) is None
    assert len(lifecycle.of("receiver_failed")) == 1


@both
def test_row_holds_the_first_and_the_last_failure(atomic: bool, kept: Kept) -> None:
    errors = iter([ValueError("the first"), KeyError("between"), OSError("the last")])

    def fail() -> None:
        raise next(errors)

    kept.connect(fail, atomic=atomic)
    wake_up = kept.send()
    kept.run_through(wake_up)
    told = kept.row(wake_up).error
    assert told.index("ValueError: the first") < told.index("OSError: the last")
    assert "between" not in told


@both
def test_discarded_message_is_gone(atomic: bool, kept: Kept, lifecycle: Lifecycle) -> None:
    kept.connect(Discard("it is not wanted"), atomic=atomic)
    wake_up = kept.send()
    assert kept.run(wake_up) == Discarded("it is not wanted")
    assert kept.is_gone(wake_up)
    assert has_left() is not atomic
    assert of_runs(lifecycle)[-1] == "receiver_discarded"


@both
def test_receiver_may_choose_the_wait(atomic: bool, kept: Kept) -> None:
    began = now()
    kept.connect(RetryLater(after=500), atomic=atomic)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Retrying)
    row = kept.row(wake_up)
    assert row.attempt == 1
    assert is_set(row.due_at, 500, began)


def test_timeout_is_counted_by_the_clock_of_the_database(kept: Kept) -> None:
    """The sender's clock was a day slow for the first message, and a day fast for the second."""
    policy = Retry(max_attempts=None, timeout=100, wait_initial=5, wait_exp_base=1, wait_jitter=0)
    kept.connect(ConnectionError(), retry=policy)
    young, old = kept.send(), kept.send()
    for wake_up, sent in ((young, -86_400), (old, 86_400)):
        payload = kept.row(wake_up).payload
        at = payload.partition('"sent_at":')[2].partition("}")[0]
        kept.change(wake_up, payload=payload.replace(at, f"{float(at) + sent:.6f}"))
    kept.change(old, created_at=seconds(-96))
    assert isinstance(kept.run(young), Retrying)
    assert isinstance(kept.run(old), Failed)


@both
def test_expired_message_is_discarded(atomic: bool, kept: Kept, lifecycle: Lifecycle) -> None:
    function = kept.connect(atomic=atomic, expires=60)
    wake_up = kept.send()
    kept.change(wake_up, expires_at=seconds(-1))
    assert kept.run(wake_up) == Discarded("it has expired")
    assert kept.is_gone(wake_up)
    assert function.runs is None
    assert of_runs(lifecycle) == ["receiver_discarded"]


# What atomic adds.


def break_the_transaction() -> None:
    """Write a row whose foreign key leads nowhere, which PostgreSQL and SQLite notice at the COMMIT."""
    Order.labels.through.objects.create(order_id=2**31 - 5, label_id="left")


def test_commit_that_fails_is_the_receivers_failure(kept: Kept, lifecycle: Lifecycle) -> None:
    function = kept.connect(break_the_transaction, atomic=True)
    wake_up = kept.send()
    outcomes = kept.run_through(wake_up)
    assert [type(outcome) for outcome in outcomes] == [Retrying, Retrying, Failed]
    assert all(isinstance(outcome.exception, IntegrityError) for outcome in outcomes)
    assert len(function.runs) == kept.row(wake_up).attempt == 3
    assert not has_left()
    assert len(lifecycle.of("receiver_failed")) == 1


@pytest.mark.parametrize("how", ["error", "rollback"])
def test_transaction_that_a_receiver_has_spoilt_fails(how: str, kept: Kept) -> None:
    def spoil() -> None:
        if how == "rollback":
            transaction.set_rollback(True)
            return
        try:
            with transaction.atomic(savepoint=False):
                Label.objects.create(name="left")
        except IntegrityError:
            pass

    kept.connect(spoil, atomic=True)
    wake_up = kept.send()
    outcome = kept.run(wake_up)
    assert isinstance(outcome, Retrying)
    assert isinstance(outcome.exception, transaction.TransactionManagementError)
    assert kept.row(wake_up).attempt == 1
    assert not has_left()


@pytest.fixture
def lose_the_lease(kept: Kept) -> Any:
    """Let another process claim a row when its run begins here."""
    store = Store()

    def claim_elsewhere(message: Any, **kwargs: object) -> None:
        with store.connection("default") as own:
            again = WakeUp("default", message.id, message.attempt, 1.0)
            assert claim(own, again, message.receiver, "there 1", 60)

    receiver_started.connect(claim_elsewhere)
    yield
    receiver_started.disconnect(claim_elsewhere)
    store.close()


@pytest.mark.usefixtures("lose_the_lease")
def test_atomic_run_that_lost_its_lease_leaves_no_trace(
    kept: Kept, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    function = kept.connect(atomic=True)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Lost)
    assert len(function.runs) == 1
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.error) == (2, "there 1", "")
    assert not has_left()
    assert of_runs(lifecycle) == ["receiver_started"]
    assert logged(caplog) == []


@pytest.mark.usefixtures("lose_the_lease")
@pytest.mark.parametrize("error", [ConnectionError(), Discard("no")], ids=["failure", "discard"])
@both
def test_late_failure_or_discard_changes_nothing(
    atomic: bool, error: Exception, kept: Kept, lifecycle: Lifecycle
) -> None:
    kept.connect(error, atomic=atomic)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Lost)
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.error) == (2, "there 1", "")
    assert of_runs(lifecycle) == ["receiver_started"]


@pytest.mark.usefixtures("lose_the_lease")
def test_late_success_without_atomic_is_a_success(kept: Kept, lifecycle: Lifecycle) -> None:
    kept.connect()
    wake_up = kept.send()
    assert kept.run(wake_up) == Succeeded()
    assert kept.is_gone(wake_up)
    assert of_runs(lifecycle)[-1] == "receiver_succeeded"


def end_own_session() -> None:
    """End the session of the receiver's connection, as a database does that is restarted."""
    with connection.cursor() as cursor:
        is_postgres = connection.vendor == "postgresql"
        cursor.execute(f"SELECT {'pg_backend_pid' if is_postgres else 'connection_id'}()")
        (session,) = cursor.fetchone()
    other = Store()
    with other.connection("default") as own, own.cursor() as cursor:
        if is_postgres:
            cursor.execute("SELECT pg_terminate_backend(%s)", [session])
        else:
            cursor.execute(f"KILL {int(session)}")
    other.close()
    Label.objects.create(name="not left")


@only_servers
def test_atomic_run_whose_connection_breaks_is_left_to_the_lease(
    kept: Kept, lifecycle: Lifecycle
) -> None:
    kept.connect(end_own_session, atomic=True)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Lost)
    row = kept.row(wake_up)
    assert (row.attempt, row.error) == (1, "")
    assert until(row.due_at) > 30
    assert not has_left()
    assert of_runs(lifecycle) == ["receiver_started"]


@only_servers
def test_connection_that_breaks_fails_a_run_that_is_not_atomic(kept: Kept) -> None:
    kept.connect(end_own_session)
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Retrying)
    connection.close()  # as Celery does after each task
    assert kept.row(wake_up).attempt == 1
    assert has_left()


def test_hook_that_fails_after_the_commit_is_told_and_undoes_nothing(
    kept: Kept, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ConnectionError("no mail server")

    kept.connect(lambda: transaction.on_commit(fail), atomic=True)
    wake_up = kept.send()
    assert kept.run(wake_up) == Succeeded()
    assert kept.is_gone(wake_up)
    assert has_left()
    assert of_runs(lifecycle)[-1] == "receiver_succeeded"
    (told,) = logged(caplog, logging.ERROR)
    assert "on_commit() hook" in told
    assert wake_up.id in told


def test_async_receiver_writes_in_the_transaction_of_its_row(kept: Kept, defer: Any) -> None:
    async def receive(sender: object, **kwargs: object) -> None:
        await Label.objects.acreate(name="left")
        raise ConnectionError

    signal = Signal()
    defer(signal, name="tests.kept_async", durable=True, atomic=True, retry=POLICY)(receive)
    kept.signal, kept.name = signal, "tests.kept_async"
    wake_up = kept.send()
    assert isinstance(kept.run(wake_up), Retrying)
    assert not has_left()


# Rows that have no run any more.


def take(kept: Kept, wake_up: WakeUp, attempt: int) -> WakeUp:
    """Bring a row to where its runs have begun and its last lease is over: a relay wakes it up."""
    kept.change(wake_up, attempt=attempt, woken_at=seconds(0), due_at=seconds(60))
    return wake_up._replace(attempt=attempt)


@both
def test_row_whose_last_run_never_came_back_is_dead(
    atomic: bool, kept: Kept, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    function = kept.connect(atomic=atomic)
    spent = take(kept, kept.send(), 3)
    outcome = kept.run(spent)
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.exception, RedeliveredTooOften)
    assert kept.run(spent) is None
    row = kept.row(spent)
    assert (row.attempt, row.due_at, row.woken_at) == (3, None, None)
    assert "run 3 of 3 never came back" in row.error
    assert function.runs is None
    (told,) = lifecycle.of("receiver_failed")
    assert (told["reason"], told["message"].attempt) == ("run 3 of 3 never came back", 3)
    assert len(logged(caplog, logging.ERROR)) == 1


def test_row_whose_last_run_goes_on_is_not_dead(kept: Kept, lifecycle: Lifecycle) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, attempt=3, woken_at=None, claimed_by="there 1")
    assert kept.run(wake_up._replace(attempt=3)) is None
    assert kept.row(wake_up).dead_at is None
    assert of_runs(lifecycle) == []


def test_task_of_another_receiver_neither_runs_nor_ends_a_row(kept: Kept) -> None:
    """Anybody who can write to the broker may send a wake-up to any task."""
    function = kept.connect()
    mine, name = kept.send(), kept.name
    spent = take(kept, kept.send(), 1)
    kept.connect(retry=None)
    assert kept.run(mine) is None
    assert kept.run(spent) is None
    assert kept.row(spent).dead_at is None
    assert function.runs is None
    assert kept.run(mine, name) == Succeeded()


def test_database_that_is_away_at_the_claim_gives_the_wake_up_back(kept: Kept) -> None:
    function = kept.connect()
    wake_up = kept.send()
    kept.store.close()
    with database_away():
        assert isinstance(kept.run(wake_up), GivenBack)
    assert kept.row(wake_up).attempt == 0
    assert kept.run(wake_up) == Succeeded()
    assert len(function.runs) == 1


def test_wake_up_for_a_database_without_outbox_is_refused(
    kept: Kept, configure: Callable[..., None]
) -> None:
    kept.connect()
    wake_up = kept.send()
    configure(OUTBOX={"DATABASES": ["other"]})
    rows = OutboxRows()
    with pytest.raises(ConfigurationError, match="DATABASES"):
        rows.run(Delivery(kept.name, None), wake_up)  # type: ignore[arg-type]  # not used
    assert kept.row(wake_up).attempt == 0


# Rows that the message refers to.


def send_of_a_row_that_is_gone(kept: Kept) -> WakeUp:
    order = Order.objects.create(status="gone")
    wake_up = kept.send(order=order)
    order.delete()
    return wake_up


@both
def test_message_of_a_missing_row_may_be_discarded(atomic: bool, kept: Kept) -> None:
    kept.connect(missing="discard", atomic=atomic)
    wake_up = send_of_a_row_that_is_gone(kept)
    assert isinstance(kept.run(wake_up), Discarded)
    assert kept.is_gone(wake_up)


@both
def test_message_of_a_missing_row_may_be_tried_again(atomic: bool, kept: Kept) -> None:
    kept.connect(missing="retry", atomic=atomic)
    wake_up = send_of_a_row_that_is_gone(kept)
    outcomes = kept.run_through(wake_up)
    assert [type(outcome) for outcome in outcomes] == [Retrying, Retrying, Failed]
    assert kept.row(wake_up).dead_at is not None


@both
def test_message_of_a_missing_row_fails_otherwise(atomic: bool, kept: Kept) -> None:
    function = kept.connect(atomic=atomic)
    wake_up = send_of_a_row_that_is_gone(kept)
    assert isinstance(kept.run(wake_up), Failed)
    assert kept.row(wake_up).attempt == 1
    assert "Order" in kept.row(wake_up).error
    assert function.runs is None


def test_receiver_is_told_of_its_message(kept: Kept) -> None:
    told = []

    def ask() -> None:
        told.append(running())
        raise ConnectionError

    kept.connect(ask)
    wake_up = kept.send()
    kept.run_through(wake_up)
    assert {(one.id, one.receiver, one.max_attempts, one.depth) for one in told} == {
        (wake_up.id, kept.name, 3, 0)
    }
    assert [one.attempt for one in told] == [1, 2, 3]
    assert len({one.sent_at for one in told}) == 1
    assert OutboxMessage.objects.count() == 1
