"""Every block of the code under test counts in a `TestCase`, Django's own included."""

import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection, transaction
from django.db.models.signals import m2m_changed, post_delete
from django.db.transaction import Atomic
from django.test import TestCase, override_settings

from deferred_signals.sending.endings import seeing_ends
from deferred_signals.support.savepoints import is_of_a_test
from deferred_signals.testing import inline, live, manual, settings
from tests.app.models import Board, Label, Line, Order, Ticket
from tests.project.celery import app
from tests.support.connected import Connected
from tests.support.numbers import Numbers
from tests.support.rollbacks import Stop, roll_back
from tests.support.unittest_cases import run_tests_of

pytestmark = pytest.mark.django_db

DJANGOS = Atomic.__exit__


class Mode:
    """A way to have receivers run inside a `TestCase`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._collected: Any = None

    def __enter__(self) -> None:
        self._stack = ExitStack()
        block: Any = {"EAGER": settings(EAGER=True), "inline": inline(), "manual": manual()}
        self._collected = self._stack.enter_context(block[self.name])

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self) -> None:
        """Run what was collected."""
        if self._collected is not None:
            self._collected.run_deferred()


@pytest.fixture(params=["EAGER", "inline", "manual"])
def mode(request: pytest.FixtureRequest) -> Iterator[Mode]:
    """Run each test in eager mode, and in each testing mode that runs receivers."""
    made = Mode(request.param)
    with made:
        yield made


def test_django_has_what_is_wrapped_and_calls_it_when_a_block_ends() -> None:
    parameters = [*inspect.signature(Atomic.__exit__).parameters]
    assert parameters == ["self", "exc_type", "exc_value", "traceback"]
    block = transaction.atomic()
    assert not is_of_a_test(block)
    with block:
        assert connection.atomic_blocks[-1] is block
        assert len(connection.savepoint_ids) == len(connection.atomic_blocks) - 1
    assert is_of_a_test(connection.atomic_blocks[-1])  # pytest-django makes it as a TestCase does


@pytest.mark.parametrize("make", [inline, manual, live, lambda: settings(EAGER=True)])
def test_djangos_method_is_wrapped_in_a_mode_and_restored(make: Any) -> None:
    assert Atomic.__exit__ is DJANGOS
    with make():
        assert Atomic.__exit__ is not DJANGOS
        with make():
            pass
        assert Atomic.__exit__ is not DJANGOS
    assert Atomic.__exit__ is DJANGOS


def test_djangos_method_is_restored_after_an_error() -> None:
    with pytest.raises(Stop), inline(), transaction.atomic():
        roll_back()
    assert Atomic.__exit__ is DJANGOS


def test_djangos_method_is_wrapped_in_eager_mode_under_test_alone() -> None:
    with override_settings(ALLOWED_HOSTS=[]), settings(EAGER=True):
        assert Atomic.__exit__ is DJANGOS
    with override_settings(CELERY_TASK_ALWAYS_EAGER=True):
        assert Atomic.__exit__ is not DJANGOS
    assert Atomic.__exit__ is DJANGOS


@pytest.mark.django_db(transaction=True)
def test_wrong_setting_breaks_no_connection() -> None:
    with override_settings(DEFERRED_SIGNALS={"EAGERLY": True}):
        connection.close()
        assert Label.objects.count() == 0
    assert Atomic.__exit__ is DJANGOS


def test_wrapping_of_other_code_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Atomic, "__exit__", DJANGOS)  # to be put back in the end
    calls = []
    with seeing_ends():
        ours: Any = Atomic.__exit__

        def counting(self: Any, *args: Any) -> None:
            calls.append(args)
            ours(self, *args)

        Atomic.__exit__ = counting  # type: ignore[method-assign]
    with transaction.atomic():
        pass
    assert Atomic.__exit__ is counting
    assert len(calls) == 1


def test_mode_that_begins_inside_a_block_waits_for_its_end(numbers: Numbers) -> None:
    with transaction.atomic(), inline():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(2)
            roll_back()
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_mode_that_begins_inside_a_block_that_rolls_back_runs_nothing(numbers: Numbers) -> None:
    with pytest.raises(Stop), transaction.atomic(), inline():
        numbers.send(1)
        roll_back()
    assert numbers.ran == []


def test_block_that_outlives_the_mode_lets_its_messages_go(numbers: Numbers) -> None:
    with ExitStack() as blocks:
        with inline():
            blocks.enter_context(transaction.atomic(savepoint=False))
            numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_block_that_other_code_ended_unseen_leaves_nothing_to_the_next(numbers: Numbers) -> None:
    block = transaction.atomic()
    with inline():
        block.__enter__()
        numbers.send(1)
    block.__exit__(None, None, None)  # which is Django's own by now
    with inline(), transaction.atomic():
        numbers.send(2)
    assert numbers.ran == [2]


def test_messages_of_nested_modes_leave_each_its_own_way(numbers: Numbers) -> None:
    with manual() as deferred, transaction.atomic():
        numbers.send(1)
        with inline():
            numbers.send(2)
        assert numbers.ran == []
    assert numbers.ran == [2]
    assert [call.kwargs["number"] for call in deferred.all_deferred()] == [1]


def test_receiver_of_a_delete_sees_what_a_worker_sees(mode: Mode, defer: Connected) -> None:
    seen: list[Any] = []

    @defer(post_delete, sender=Line)
    def receive(sender: object, instance: Line, **kwargs: Any) -> None:
        seen.append((Order.objects.count(), Line.objects.count()))
        with pytest.raises(ObjectDoesNotExist):
            _ = instance.order.total

    order = Order.objects.create()
    Line.objects.create(order=order)
    Line.objects.create(order=order)
    order.delete()
    mode.run()
    assert seen == [(0, 0), (0, 0)]


def test_receiver_of_a_delete_that_reads_what_is_gone_is_discarded_as_on_a_worker(
    defer: Connected,
) -> None:
    @defer(post_delete, sender=Line)
    def receive(sender: object, instance: Line, **kwargs: Any) -> None:
        _ = instance.order.total

    order = Order.objects.create()
    Line.objects.create(order=order)
    with manual() as deferred:
        Order.objects.all().delete()
        (ran,) = deferred.run_deferred()
    assert ran.outcome == "discarded"


def test_receiver_of_a_delete_in_a_block_runs_when_the_block_has_ended(
    mode: Mode, defer: Connected
) -> None:
    seen: list[int] = []

    @defer(post_delete, sender=Label)
    def receive(sender: object, **kwargs: Any) -> None:
        seen.append(Label.objects.count())

    with transaction.atomic():
        Label.objects.create(name="old").delete()
        Label.objects.create(name="new")
    mode.run()
    assert seen == [1]


def test_receiver_of_a_delete_that_is_rolled_back_does_not_run(
    mode: Mode, defer: Connected
) -> None:
    seen: list[str] = []

    @defer(post_delete, sender=Label)
    def receive(sender: object, instance: Label, **kwargs: Any) -> None:
        seen.append(instance.name)

    label = Label.objects.create(name="kept")
    with pytest.raises(Stop), transaction.atomic():
        label.delete()
        roll_back()
    mode.run()
    assert seen == []


@pytest.mark.parametrize("change", ["add", "set", "clear", "remove"])
def test_receiver_of_a_many_to_many_change_sees_what_a_worker_sees(
    change: str, mode: Mode, defer: Connected
) -> None:
    seen: list[int] = []
    board, old, new = Board.objects.create(), Ticket.objects.create(), Ticket.objects.create()
    board.tickets.add(old)

    @defer(m2m_changed, sender=Board.tickets.through)
    def receive(sender: object, instance: Board, **kwargs: Any) -> None:
        seen.append(instance.tickets.count())

    arguments: dict[str, list[Any]] = {"add": [new], "set": [[new]], "clear": [], "remove": [old]}
    getattr(board.tickets, change)(*arguments[change])
    mode.run()
    # set() removes one and adds one: no receiver sees the middle.
    assert seen == {"add": [2], "set": [1, 1], "clear": [0], "remove": [0]}[change]


def test_blocks_of_django_test_cases_count(numbers: Numbers) -> None:
    ran = numbers.ran

    def work() -> None:
        ran.clear()
        with transaction.atomic(savepoint=False):
            numbers.send(1)
            assert ran == []
        assert ran == [1]

    class Tests(TestCase):
        @classmethod
        def setUpTestData(cls) -> None:
            with inline():
                work()

        @inline()
        def test_sync(self) -> None:
            work()

        @inline()
        async def test_async(self) -> None:
            await sync_to_async(work)()

    run_tests_of(Tests)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [inline, lambda: settings(EAGER=True)])
def test_real_transactions_are_left_to_django(make: Any, numbers: Numbers) -> None:
    with make():
        with transaction.atomic(savepoint=False):
            with transaction.atomic(savepoint=False):
                numbers.send(1)
            transaction.on_commit(lambda: numbers.ran.append(2))
            numbers.send(3)
            assert numbers.ran == []
        assert numbers.ran == [1, 2, 3]


@pytest.mark.django_db(databases=["default"])
@pytest.mark.parametrize("make", [inline, lambda: settings(EAGER=True)])
def test_database_that_the_test_may_not_use_is_not_connected_to(
    make: Any, numbers: Numbers
) -> None:
    with make():
        numbers.send(1, using="other")
        with transaction.atomic():
            numbers.send(2, using="other")
    assert numbers.ran == [1, 2]


def test_switch_of_celerys_that_code_set_is_seen_from_the_next_block_on(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.conf.changes, "task_always_eager", value=True)  # type: ignore[arg-type]
    with transaction.atomic():
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]
    with transaction.atomic(savepoint=False):
        numbers.send(2)
        assert numbers.ran == [1]
    assert numbers.ran == [1, 2]
    monkeypatch.undo()
    with override_settings(USE_TZ=True):
        assert Atomic.__exit__ is DJANGOS
