"""`fake_crash` and durable receivers: what is committed is delivered, and ``atomic`` writes happen once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from deferred_signals import Retry
from deferred_signals.errors import RedeliveredTooOften
from deferred_signals.testing import Collected, FakeCrash, fake_crash, inline, manual, settings
from tests.app.models import Label, Order
from tests.support.connected import Connected, running
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder

from .conftest import commits

pytestmark = pytest.mark.django_db

POLICY = Retry(max_attempts=3, wait_initial=5, wait_exp_base=1, wait_jitter=0)

modes = pytest.mark.parametrize(
    "mode", [manual, inline, lambda: settings(EAGER=True)], ids=["manual", "inline", "eager"]
)
both = pytest.mark.parametrize("atomic", [False, True], ids=["plain", "atomic"])


@pytest.fixture(autouse=True)
def _commits(request: pytest.FixtureRequest) -> None:
    """Hold that a test commits, or is in a `TestCase`, as its parameter says."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    assert connection.in_atomic_block is params.get("in_testcase", True)


@pytest.fixture
def durable(signal: Signal, defer: Connected) -> Recorder:
    """Connect a durable receiver that keeps its calls."""
    recorder = Recorder()
    defer(signal, name="tests.durable", durable=True)(recorder)
    return recorder


@pytest.fixture
def losable(signal: Signal, defer: Connected) -> Recorder:
    """Connect another receiver to the same signal, by commit delivery."""
    recorder = Recorder()
    defer(signal, name="tests.losable")(recorder)
    return recorder


# The sender's process.


@commits
@modes
def test_crash_between_commit_and_publishing_delays_durable_messages_and_loses_others(
    mode: Any, in_testcase: bool, signal: Signal, durable: Recorder, losable: Recorder
) -> None:
    with mode() as deferred:
        with fake_crash(at="publish"):
            with transaction.atomic():
                Order.objects.create()
                signal.send(None, number=1)
            pytest.fail("the process had died before")
        if isinstance(deferred, Collected):
            assert [call.receiver for call in deferred.all_deferred()] == ["tests.durable"]
            deferred.run_deferred()
    assert Order.objects.count() == 1
    assert durable.kwargs == [{"number": 1}]
    assert losable.calls == []


@commits
def test_crash_delays_all_durable_messages_of_the_transaction_that_survived(
    in_testcase: bool, signal: Signal, durable: Recorder, losable: Recorder, defer: Connected
) -> None:
    merged = Recorder()
    other = Signal()
    defer(other, durable=True, coalesce=lambda sender, **kwargs: "all")(merged)
    with manual() as deferred:
        with fake_crash(at="publish"), transaction.atomic():
            signal.send(None, number=1)
            transaction.on_commit(lambda: None)
            with transaction.atomic():
                signal.send(None, number=2)
            with transaction.atomic():
                signal.send(None, number=3)
                transaction.set_rollback(True)
            other.send(None, number=4)
            signal.send(None, number=5)
            other.send(None, number=6)
        deferred.run_deferred()
    assert [call["number"] for call in durable.calls] == [1, 2, 5]
    assert merged.kwargs == [{"number": 6}]
    assert losable.calls == []


@commits
def test_hooks_of_other_code_do_not_run_after_the_crash(
    in_testcase: bool, signal: Signal, durable: Recorder
) -> None:
    ran: list[int] = []
    with manual(), fake_crash(at="publish"), transaction.atomic():
        signal.send(None)
        transaction.on_commit(lambda: ran.append(1))
    assert ran == []


@commits
@modes
def test_crash_in_the_send_rolls_the_transaction_back(
    mode: Any, in_testcase: bool, signal: Signal, durable: Recorder, losable: Recorder
) -> None:
    with mode() as deferred:
        with fake_crash(at="send"):
            with transaction.atomic():
                Order.objects.create()
                signal.send_robust(None, number=1)
            pytest.fail("the process had died before")
        if isinstance(deferred, Collected):
            assert deferred.all_deferred() == []
    assert Order.objects.count() == 0
    assert durable.calls == losable.calls == []


@commits
def test_crash_in_the_send_of_autocommit_keeps_the_row_and_loses_durable_messages_too(
    in_testcase: bool, signal: Signal, durable: Recorder
) -> None:
    with manual() as deferred:
        with fake_crash(at="send"):
            Order.objects.create()
            signal.send(None, number=1)
        assert deferred.all_deferred() == []
    assert Order.objects.count() == 1


# A worker's processes.


@pytest.fixture
def work(signal: Signal, defer: Connected) -> Callable[..., list[int]]:
    """Connect a receiver that writes; gives the attempts in which it ran."""

    def connect(**options: Any) -> list[int]:
        attempts: list[int] = []

        @defer(signal, **{"durable": True, "retry": POLICY, **options})
        def receive(sender: object, number: int = 1, **kwargs: object) -> None:
            attempts.append(running().attempt)
            name = f"{number}: attempt {running().attempt}"
            Label.objects.create(name=name)
            transaction.on_commit(partial(leave, f"hook of {name}"))

        return attempts

    return connect


def leave(name: str) -> None:
    Label.objects.create(name=name)


def left() -> list[str]:
    return [name for name in _names() if not name.startswith("hook")]


def hooks() -> list[str]:
    return [name for name in _names() if name.startswith("hook")]


def _names() -> list[str]:
    return sorted(Label.objects.values_list("name", flat=True))


@commits
@both
@pytest.mark.parametrize(("at", "wait"), [("run", 5), ("settle", 60)])
def test_death_after_the_run_repeats_it_and_what_it_wrote_unless_it_is_atomic(
    at: Any, wait: int, atomic: bool, in_testcase: bool, signal: Signal, work: Any
) -> None:
    attempts = work(atomic=atomic)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at=at):
            (ran,) = deferred.run_deferred(waits=[wait])
    assert (ran.attempts, ran.outcome, attempts) == (2, "succeeded", [1, 2])
    assert left() == (["1: attempt 2"] if atomic else ["1: attempt 1", "1: attempt 2"])
    assert len(hooks()) == len(left())


@commits
@both
def test_death_before_the_run_uses_up_an_attempt_and_writes_nothing(
    atomic: bool, in_testcase: bool, signal: Signal, work: Any
) -> None:
    attempts = work(atomic=atomic)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="claim"):
            (ran,) = deferred.run_deferred(waits=[5])
    assert (ran.attempts, ran.outcome, attempts) == (2, "succeeded", [2])
    assert left() == ["1: attempt 2"]


def test_death_before_the_run_uses_up_an_attempt_of_commit_delivery_too(
    signal: Signal, work: Any
) -> None:
    attempts = work(durable=False)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="claim"):
            (ran,) = deferred.run_deferred(waits=[5])
    assert (ran.attempts, attempts) == (2, [2])


def test_whole_worker_that_dies_at_the_last_run_ends_the_message(
    signal: Signal, work: Any, lifecycle: Lifecycle
) -> None:
    attempts = work(retry=None, atomic=True)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="settle"):
            (ran,) = deferred.run_deferred()  # the test has planned this failure
    assert (ran.attempts, ran.outcome, attempts) == (1, "failed", [1])
    assert isinstance(ran.exception, RedeliveredTooOften)
    assert ran.reason == "run 1 of 1 never came back"
    assert lifecycle.names == ["receiver_started", "receiver_failed"]
    assert left() == []


def test_child_that_dies_at_the_last_run_ends_the_message(signal: Signal, work: Any) -> None:
    work(retry=None, atomic=True)
    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="run"):
            (ran,) = deferred.run_deferred()
    assert (ran.attempts, ran.outcome, type(ran.exception)) == (1, "failed", FakeCrash)
    assert left() == []


@pytest.mark.parametrize("at", ["claim", "run", "settle"])
def test_message_whose_process_died_holds_its_order_up(at: Any, signal: Signal, work: Any) -> None:
    work(ordered_by=lambda sender, **kwargs: "all", atomic=True)
    ended: list[int] = []
    with manual() as deferred:
        for number in (1, 2, 3):
            signal.send(None, number=number)
        with fake_crash(at=at):
            story = deferred.run_deferred()
        ended = [ran.kwargs["number"] for ran in story]
    assert ended == [1, 2, 3]
    assert left() == [f"{number}: attempt 2" for number in (1, 2, 3)]


@pytest.mark.django_db(databases=["default", "other"])
def test_death_leaves_what_an_atomic_receiver_wrote_to_other_databases(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, durable=True, atomic=True)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.using("other").create(name=f"attempt {running().attempt}")

    with manual() as deferred:
        signal.send(None)
        with fake_crash(at="run"):
            deferred.run_deferred()
    assert Label.objects.using("other").count() == 2
