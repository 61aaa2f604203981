"""`run_outbox()`: a test runs what is in the table, by a worker's code and without a broker."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.dispatch import Signal

from deferred_signals import ConfigurationError, Discard, InvalidReceiver, Retry
from deferred_signals.errors import RedeliveredTooOften, UnknownReceiver
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import Selection, pause, replay
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.sending.durable import keep_durable_in
from deferred_signals.testing import live, manual, run_outbox
from tests.support.connected import Connected, running
from tests.support.lifecycle import Lifecycle
from tests.support.outbox import Durable

from .rows import Kept, database_away, of_runs, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def test_row_is_claimed_run_and_removed(kept: Kept, lifecycle: Lifecycle) -> None:
    function = kept.connect()
    wake_up = kept.send(number=7)
    (ran,) = run_outbox()
    assert (ran.id, ran.receiver, ran.kwargs) == (wake_up.id, kept.name, {"number": 7})
    assert (ran.attempts, ran.waits, ran.outcome) == (1, [], "succeeded")
    assert [kwargs["number"] for kwargs in function.runs] == [7]
    assert kept.is_gone(wake_up)
    assert of_runs(lifecycle) == ["receiver_started", "receiver_succeeded"]
    assert run_outbox() == []


def test_claim_is_committed_before_the_run(kept: Kept) -> None:
    def look() -> None:
        row = OutboxMessage.objects.get()
        assert (row.attempt, row.claimed_by is None) == (1, False)

    kept.connect(look, atomic=True)
    kept.send()
    run_outbox()


def test_row_runs_through_all_attempts_and_is_a_dead_letter(kept: Kept) -> None:
    kept.connect(ConnectionError("it is away"))
    wake_up = kept.send()
    (ran,) = run_outbox(waits=[5, 5], raises=False)
    assert (ran.attempts, ran.outcome, type(ran.exception)) == (3, "failed", ConnectionError)
    row = kept.row(wake_up)
    assert (row.attempt, row.dead_at is None) == (3, False)
    assert run_outbox() == []
    kept.function.does = None
    replay(Selection())
    (again,) = run_outbox()
    assert (again.attempts, again.outcome) == (1, "succeeded")


def test_first_failure_is_raised_with_its_receiver(kept: Kept) -> None:
    kept.connect(ConnectionError("it is away"))
    kept.send()
    with pytest.raises(ConnectionError) as caught:
        run_outbox()
    assert kept.name in caught.value.__notes__[0]


def test_wrong_waits_are_told(kept: Kept) -> None:
    kept.connect(Discard("no"))
    kept.send()
    with pytest.raises(AssertionError, match=r"not \[5\]"):
        run_outbox(waits=[5])


def test_time_passes_for_a_row_that_is_due_later(kept: Kept) -> None:
    policy = Retry(max_attempts=None, wait_initial=60, wait_jitter=0, timeout=500)
    kept.connect(ConnectionError(), retry=policy)
    kept.send()
    (ran,) = run_outbox(waits=[60, 120, timedelta(seconds=240)], raises=False)
    assert ran.outcome == "failed"


def test_rows_run_in_the_order_in_which_they_are_due(kept: Kept) -> None:
    kept.connect(countdown=lambda sender, number, **kwargs: 10 - number)
    kept.send(number=1)
    kept.send(number=2)
    kept.send(number=10)
    assert [ran.kwargs["number"] for ran in run_outbox()] == [10, 2, 1]


def test_row_that_expires_before_it_is_due_does_not_run(kept: Kept) -> None:
    function = kept.connect(countdown=90, expires=60)
    wake_up = kept.send()
    (ran,) = run_outbox()
    assert (ran.attempts, ran.outcome, function.runs) == (0, "expired", None)
    assert kept.is_gone(wake_up)


def test_row_that_expires_later_runs(kept: Kept) -> None:
    kept.connect(countdown=30, expires=60)
    kept.send()
    (ran,) = run_outbox()
    assert ran.outcome == "succeeded"


def test_rows_of_an_order_run_in_their_order(kept: Kept) -> None:
    def fail_once() -> None:
        if running().attempt == 1:
            raise ConnectionError

    function = kept.connect(fail_once, ordered_by=lambda sender, **kwargs: "all")
    for number in range(3):
        kept.send(number=number)
    story = run_outbox()
    assert [kwargs["number"] for kwargs in function.runs] == [0, 0, 1, 1, 2, 2]
    assert {ran.outcome for ran in story} == {"succeeded"}


def test_what_a_run_sends_is_run_too(kept: Kept, defer: Connected) -> None:
    inner, ran = Signal(), list[int]()

    @defer(inner, durable=True)
    def note(sender: object, **kwargs: object) -> None:
        ran.append(running().depth)

    kept.connect(lambda: inner.send(None))
    kept.send()
    assert len(run_outbox()) == 2
    assert ran == [1]


def test_one_receiver_can_be_run_alone(kept: Kept) -> None:
    first = kept.connect()
    second = kept.connect()
    kept.send()
    (ran,) = run_outbox(second)
    assert (first.runs, len(second.runs)) == (None, 1)
    assert ran.receiver == kept.name
    assert len(run_outbox()) == 1
    with pytest.raises(InvalidReceiver, match="is no deferred receiver"):
        run_outbox(print)


def test_rows_of_a_paused_receiver_wait(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    pause(kept.name)
    assert run_outbox() == []
    assert not kept.is_gone(wake_up)


def test_row_that_runs_elsewhere_is_left_alone_until_its_lease_is_over(kept: Kept) -> None:
    function = kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, claimed_by="there 1", woken_at=None, attempt=1)
    assert run_outbox() == []
    kept.change(wake_up, due_at=seconds(-1))
    (ran,) = run_outbox()
    assert (ran.attempts, ran.outcome, len(function.runs)) == (2, "succeeded", 1)


def test_row_whose_last_run_never_came_back_is_dead(kept: Kept) -> None:
    function = kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, claimed_by="there 1", attempt=3, due_at=seconds(-1))
    with pytest.raises(RedeliveredTooOften, match="run 3 of 3"):
        run_outbox()
    assert function.runs is None
    assert kept.row(wake_up).dead_at is not None


def test_row_whose_receiver_is_not_known_waits_on(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.forget()
    with pytest.raises(UnknownReceiver):
        run_outbox()
    (ran,) = run_outbox(raises=False)
    assert (ran.attempts, ran.outcome, ran.kwargs) == (0, "unknown", {})
    assert kept.row(wake_up).attempt == 0


@pytest.mark.parametrize("mode", [manual, live], ids=["manual", "live"])
def test_row_whose_turn_it_is_wakes_its_receiver_only_where_tests_publish(
    mode: Any, kept: Kept, defer: Connected
) -> None:
    durable = Durable(defer, name="tests.in_order", ordered_by=lambda sender, **kwargs: "all")
    _first, second = durable.send(1, 2)
    assert kept.run(WakeUp("default", second, 0, 0.0), "tests.in_order") is None  # set aside
    durable.woken()
    with mode():
        assert len(run_outbox()) == 2
        if mode is live:  # whose end drops what waits to leave
            assert durable.woken() == [second]
    assert durable.woken() == []


def test_manual_writes_no_row_to_run(kept: Kept) -> None:
    kept.connect()
    with manual() as deferred:
        kept.send()
        assert run_outbox() == []
        assert len(deferred.run_deferred()) == 1


def sessions() -> int:
    """Count the connections to the test's database."""
    table = {
        "postgresql": "pg_stat_activity WHERE datname = current_database()",
        "mysql": "information_schema.processlist WHERE db = DATABASE()",
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table[connection.vendor]}")  # noqa: S608 - of ours
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file has no sessions")
def test_no_connection_of_its_own_is_left_open(kept: Kept) -> None:
    kept.connect()
    kept.send()
    before = sessions()
    run_outbox()
    deadline = time.monotonic() + 20
    while sessions() > before:  # the server notices their ends a little later
        assert time.monotonic() < deadline
        time.sleep(0.01)


# What cannot work.


def test_open_transaction_is_refused_with_the_remedy(kept: Kept) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match=r"manual\(\).*transaction=True"):
        run_outbox()


def test_database_without_a_table_is_refused(kept: Kept) -> None:
    with pytest.raises(ConfigurationError, match=r"'other'.*has default"):
        run_outbox(using="other")


def test_project_without_the_app_is_refused() -> None:
    before = keep_durable_in(None)
    try:
        with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
            run_outbox()
    finally:
        keep_durable_in(before)


def test_database_that_is_away_is_told(kept: Kept) -> None:
    function = kept.connect()
    kept.send()
    with connections["default"].cursor(), database_away(), pytest.raises(OperationalError):
        run_outbox()  # what the claim needs is a connection of its own
    assert function.runs is None
