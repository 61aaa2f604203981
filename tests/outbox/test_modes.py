"""What ``atomic`` adds, in each testing mode, in eager mode, and for rows in the table."""

import logging
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.dispatch import Signal

from deferred_signals import Discard, RetryLater
from deferred_signals.testing import settings
from tests.app.models import Label, Order
from tests.support.connected import Connected, running
from tests.support.rollbacks import Stop, roll_back

from .rows import logged
from .ways import Connect, Way, only_commits, without_a_row

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def left(using: str = "default") -> list[str]:
    return sorted(Label.objects.using(using).values_list("name", flat=True))


def test_success_is_committed_and_then_its_hooks_run(
    way: Way, signal: Signal, connect: Connect
) -> None:
    seen: list[object] = []

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="left")
        transaction.on_commit(lambda: seen.append(left()))
        seen.append("receiver")

    assert way.run(lambda: signal.send(None)) == ["succeeded"]
    assert seen == ["receiver", ["left"]]


@pytest.mark.parametrize(
    "error",
    [ConnectionError(), RetryLater(after=60), IntegrityError()],
    ids=["error", "RetryLater", "database error"],
)
def test_run_that_fails_leaves_nothing_and_the_next_one_begins_anew(
    way: Way, signal: Signal, connect: Connect, error: Exception
) -> None:
    seen: list[tuple[int, list[str]]] = []
    hooks: list[int] = []

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        attempt = running().attempt
        seen.append((attempt, left()))
        Label.objects.create(name="left")
        transaction.on_commit(lambda: hooks.append(attempt))
        if attempt < 3:
            raise error

    assert way.run(lambda: signal.send(None)) == ["succeeded"]
    assert seen == [(1, []), (2, []), (3, [])]
    assert left() == ["left"]
    assert hooks == [3]
    waits = [60.0, 60.0] if isinstance(error, RetryLater) else [5.0, 5.0]
    assert [told["wait"] for told in way.lifecycle.of("receiver_retrying")] == waits


@pytest.mark.parametrize(
    ("error", "outcome", "runs"),
    [(ConnectionError(), "failed", 3), (Discard("no"), "discarded", 1)],
    ids=["given up", "Discard"],
)
def test_message_that_is_given_up_leaves_nothing(
    way: Way, signal: Signal, connect: Connect, error: Exception, outcome: str, runs: int
) -> None:
    attempts: list[int] = []
    hooks: list[int] = []

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        attempts.append(running().attempt)
        Label.objects.create(name="left")
        transaction.on_commit(lambda: hooks.append(1))
        raise error

    assert way.run(lambda: signal.send(None)) == [outcome]
    assert attempts == [1, 2, 3][:runs]
    assert (left(), hooks) == ([], [])


def test_receiver_that_is_not_atomic_keeps_what_it_wrote(
    way: Way, signal: Signal, connect: Connect
) -> None:
    hooks: list[int] = []

    @connect(atomic=False)
    def receive(sender: object, **kwargs: object) -> None:
        attempt = running().attempt
        Label.objects.create(name=f"attempt {attempt}")
        transaction.on_commit(lambda: hooks.append(attempt))
        if attempt == 1:
            raise ConnectionError

    assert way.run(lambda: signal.send(None)) == ["succeeded"]
    assert left() == ["attempt 1", "attempt 2"]
    assert hooks == [1, 2]


@without_a_row
def test_setting_that_took_durable_delivery_away_takes_atomic_along(
    way: Way, signal: Signal, defer: Connected
) -> None:
    with settings(DURABLE=True):

        @defer(signal, atomic=True, retry=None)
        def receive(sender: object, **kwargs: object) -> None:
            Label.objects.create(name="left")
            raise ConnectionError

    assert way.run(lambda: signal.send(None)) == ["failed"]
    assert left() == ["left"]


def test_other_databases_are_not_part_of_the_transaction(
    way: Way, signal: Signal, connect: Connect
) -> None:
    @connect(retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.using("other").create(name="elsewhere")
        Label.objects.create(name="left")
        raise ConnectionError

    assert way.run(lambda: signal.send(None)) == ["failed"]
    assert (left(), left("other")) == ([], ["elsewhere"])


@without_a_row
def test_transaction_is_that_of_the_row(way: Way, signal: Signal, connect: Connect) -> None:
    @connect(retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.using("other").create(name="elsewhere")
        Label.objects.create(name="left")
        raise ConnectionError

    with settings(OUTBOX={"DATABASES": ["default", "other"]}):
        assert way.run(lambda: signal.send(None, using="other")) == ["failed"]
    assert (left(), left("other")) == (["left"], [])


def test_block_within_the_receiver_rolls_back_alone(
    way: Way, signal: Signal, connect: Connect
) -> None:
    hooks: list[str] = []

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="left")
        with pytest.raises(Stop), transaction.atomic():
            Label.objects.create(name="inner")
            transaction.on_commit(lambda: hooks.append("inner"))
            roll_back()
        with pytest.raises(IntegrityError), transaction.atomic():
            Label(name="left").save(force_insert=True)
        transaction.on_commit(lambda: hooks.append("outer"))

    assert way.run(lambda: signal.send(None)) == ["succeeded"]
    assert (left(), hooks) == (["left"], ["outer"])


def test_durable_block_is_refused_within_the_receiver(
    way: Way, signal: Signal, connect: Connect
) -> None:
    @connect(retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        with transaction.atomic(durable=True):
            Label.objects.create(name="left")

    assert way.run(lambda: signal.send(None)) == ["failed"]
    (told,) = way.lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], RuntimeError)
    assert left() == []


def swallow_an_error() -> None:
    with suppress(IntegrityError):
        Label(name="left").save(force_insert=True)


def break_a_statement() -> None:
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")


def set_back() -> None:
    transaction.set_rollback(True)


@pytest.mark.parametrize("spoil", [swallow_an_error, break_a_statement, set_back])
def test_transaction_that_the_receiver_has_spoilt_is_a_failure(
    way: Way, signal: Signal, connect: Connect, spoil: Callable[[], None]
) -> None:
    @connect(retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="left")
        spoil()

    goes_on = spoil is break_a_statement and connection.vendor != "postgresql"
    assert way.run(lambda: signal.send(None)) == ["succeeded" if goes_on else "failed"]
    assert left() == (["left"] if goes_on else [])


@only_commits
def test_commit_that_fails_is_the_receivers_failure(
    way: Way, signal: Signal, connect: Connect
) -> None:
    runs: list[int] = []

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        runs.append(running().attempt)
        Label.objects.create(name="left")
        Order.labels.through.objects.create(order_id=2**31 - 5, label_id="left")

    assert way.run(lambda: signal.send(None)) == ["failed"]
    assert (runs, left()) == ([1, 2, 3], [])


def test_hook_that_fails_after_the_commit_is_told_and_undoes_nothing(
    way: Way, signal: Signal, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ConnectionError("no mail server")

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name=f"attempt {running().attempt}")
        transaction.on_commit(fail)

    assert way.run(lambda: signal.send(None)) == ["succeeded"]
    assert left() == ["attempt 1"]
    (told,) = logged(caplog, logging.ERROR)
    assert "on_commit() hook" in told


def test_async_receiver_is_part_of_the_transaction(
    way: Way, signal: Signal, connect: Connect
) -> None:
    @connect(retry=None)
    async def receive(sender: object, **kwargs: object) -> None:
        await Label.objects.acreate(name="left")
        raise ConnectionError

    assert way.run(lambda: signal.send(None)) == ["failed"]
    assert left() == []


def test_sends_of_a_run_that_fails_are_undone_with_it(
    way: Way, signal: Signal, connect: Connect, defer: Connected
) -> None:
    inner, ran = Signal(), list[int]()

    @connect()
    def receive(sender: object, **kwargs: object) -> None:
        inner.send(None, attempt=running().attempt)
        if running().attempt == 1:
            raise ConnectionError

    @defer(inner, durable=True)
    def note(sender: object, attempt: int, **kwargs: object) -> None:
        ran.append(attempt)

    assert way.run(lambda: signal.send(None)) == ["succeeded", "succeeded"]
    assert ran == [2]


@only_commits
def test_run_on_another_thread_is_a_transaction_too(
    way: Way, signal: Signal, connect: Connect
) -> None:
    @connect(retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="left")
        raise ConnectionError

    def work() -> None:
        with suppress(ConnectionError), transaction.atomic():
            signal.send(None)
        connections.close_all()

    def work_elsewhere() -> None:
        thread = Thread(target=work)
        thread.start()
        thread.join()

    assert way.run(work_elsewhere) == ["failed"]
    assert left() == []
