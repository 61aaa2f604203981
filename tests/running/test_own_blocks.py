"""A run in this process is in no transaction of the caller's, as far as its receiver can tell."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal
from django.test import TestCase

from deferred_signals import DepthExceeded, Retry
from deferred_signals.testing import inline, manual, settings
from tests.app.models import Label
from tests.support.connected import Connected, running
from tests.support.rollbacks import Stop, roll_back

Run = Callable[[Signal], list[str]]


REAL = pytest.param("TransactionTestCase", marks=pytest.mark.django_db(transaction=True))


@pytest.fixture(params=["TestCase", REAL])
def run(request: pytest.FixtureRequest) -> Run:
    """Send, and run the receivers inside an open transaction; gives their outcomes.

    Each test runs in a transaction that is never committed, and in one that would be.
    """
    is_real = request.param == "TransactionTestCase"
    request.getfixturevalue("db")
    assert connection.in_atomic_block is not is_real

    def run(signal: Signal) -> list[str]:
        with manual() as deferred:
            signal.send(None)
            with transaction.atomic() if is_real else nullcontext():
                return [ran.outcome for ran in deferred.run_deferred(raises=False)]

    return run


def test_receiver_may_open_a_durable_block(signal: Signal, defer: Connected, run: Run) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        with transaction.atomic(durable=True):
            Label.objects.create(name="new")
        with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
            transaction.atomic(durable=True).__enter__()

    assert run(signal) == ["succeeded"]
    assert Label.objects.exists()


def test_hooks_of_the_receiver_run_when_it_has_ended(
    signal: Signal, defer: Connected, run: Run
) -> None:
    happened: list[str] = []

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        transaction.on_commit(lambda: happened.append("hook"))
        with transaction.atomic():
            transaction.on_commit(lambda: happened.append("hook of a block"))
        with pytest.raises(Stop), transaction.atomic():
            transaction.on_commit(lambda: happened.append("hook of a block that rolled back"))
            roll_back()
        happened.append("receiver")

    assert run(signal) == ["succeeded"]
    assert happened == ["receiver", "hook", "hook of a block"]


def test_hooks_that_a_hook_registers_run_too(signal: Signal, defer: Connected, run: Run) -> None:
    happened: list[str] = []

    def outer() -> None:
        with transaction.atomic(durable=True):
            transaction.on_commit(lambda: happened.append("inner"))
        happened.append("outer")

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        transaction.on_commit(outer)
        transaction.on_commit(lambda: happened.append("next"))

    run(signal)
    assert happened == ["outer", "inner", "next"]


@pytest.mark.parametrize("run", ["TestCase"], indirect=True)
def test_hooks_of_the_caller_stay_its_own(signal: Signal, defer: Connected, run: Run) -> None:
    happened: list[str] = []

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="new")
        happened.append("receiver")

    with TestCase.captureOnCommitCallbacks(execute=True) as callbacks:
        transaction.on_commit(lambda: happened.append("hook of the caller"))
        run(signal)
        assert happened == ["receiver"]
    assert happened == ["receiver", "hook of the caller"]
    assert len(callbacks) == 1


def test_hook_that_fails_fails_the_attempt(signal: Signal, defer: Connected, run: Run) -> None:
    attempts: list[int] = []

    def fail() -> None:
        attempts.append(running().attempt)
        Label.objects.create(name=f"written by the hook of attempt {attempts[-1]}")
        raise ConnectionError

    @defer(signal, retry=Retry(max_attempts=2))
    def receive(sender: object, **kwargs: object) -> None:
        transaction.on_commit(fail)

    assert run(signal) == ["failed"]
    assert attempts == [1, 2]
    assert Label.objects.count() == 2


def test_robust_hook_that_fails_is_logged_and_keeps_no_other_from_running(
    signal: Signal, defer: Connected, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    happened: list[str] = []

    def fail() -> None:
        raise ConnectionError

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        transaction.on_commit(fail, robust=True)
        transaction.on_commit(lambda: happened.append("next"))

    assert run(signal) == ["succeeded"]
    assert happened == ["next"]
    assert "hook test_robust_hook_that_fails" in caplog.text


def test_database_error_of_a_hook_undoes_nothing_that_the_receiver_wrote(
    signal: Signal, defer: Connected, run: Run
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="same")
        transaction.on_commit(lambda: Label(name="same").save(force_insert=True))

    assert run(signal) == ["failed"]
    assert Label.objects.count() == 1


def test_hooks_of_a_receiver_that_failed_run_unless_its_work_was_undone(
    signal: Signal, defer: Connected, run: Run
) -> None:
    happened: list[str] = []

    @defer(signal, retry=None)
    def fail(sender: object, **kwargs: object) -> None:
        transaction.on_commit(lambda: happened.append("fail"))
        raise LookupError

    @defer(signal, retry=None)
    def break_it(sender: object, **kwargs: object) -> None:
        transaction.on_commit(lambda: happened.append("break_it"))
        Label(name="same").save(force_insert=True)
        Label(name="same").save(force_insert=True)

    assert run(signal) == ["failed", "failed"]
    assert happened == ["fail"]
    assert Label.objects.count() == 0


@pytest.mark.django_db
def test_hook_that_sends_is_counted_in_the_depth(signal: Signal, defer: Connected) -> None:
    depths: list[int] = []

    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        depths.append(running().depth)
        transaction.on_commit(lambda: signal.send(None) and None)

    with settings(MAX_DEPTH=3), inline(), pytest.raises(DepthExceeded):
        signal.send(None)
    assert depths == [0, 1, 2, 3]


@pytest.mark.django_db
def test_send_of_a_receiver_leaves_when_its_block_ends(signal: Signal, defer: Connected) -> None:
    happened: list[str] = []
    inner = Signal()

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        with transaction.atomic(savepoint=False):
            inner.send(None, name="in a block")
            happened.append("block")
        inner.send(None, name="in none")
        with pytest.raises(Stop), transaction.atomic():
            inner.send(None, name="rolled back")
            roll_back()
        happened.append("end")

    @defer(inner)
    def note(sender: object, name: str, **kwargs: object) -> None:
        transaction.on_commit(lambda: happened.append(f"hook of {name}"))
        happened.append(name)

    with inline():
        signal.send(None)
    assert happened == [
        "block",
        "in a block",
        "hook of in a block",
        "in none",
        "hook of in none",
        "end",
    ]


def test_error_that_the_receiver_handled_leaves_the_transaction_usable(
    signal: Signal, defer: Connected, run: Run
) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="same")
        with pytest.raises(IntegrityError), transaction.atomic():
            Label(name="same").save(force_insert=True)

    assert run(signal) == ["succeeded"]
    assert Label.objects.count() == 1


def test_end_of_the_process_ends_the_blocks(signal: Signal, defer: Connected, run: Run) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="new")
        raise KeyboardInterrupt

    blocks = len(connection.atomic_blocks)
    with pytest.raises(KeyboardInterrupt):
        run(signal)
    assert len(connection.atomic_blocks) == blocks
    assert Label.objects.count() == 0
