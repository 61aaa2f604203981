"""Eager mode inside a `TestCase`, whose own transaction never commits.

Receivers run when the outermost block of the code under test ends, and not if it rolls back.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.dispatch import Signal
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from deferred_signals import EagerReceiverFailed
from tests.app.models import Label
from tests.support.connected import Connected
from tests.support.numbers import Numbers
from tests.support.rollbacks import Stop, roll_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager", "nothing_left")]


@pytest.fixture
def nothing_left(db: None) -> Iterator[None]:
    """Fail a test that leaves something on the connection."""
    yield
    assert connection.execute_wrappers == []
    hooks = [type(hook).__module__ for _, hook, *_ in connection.run_on_commit]
    assert not any(module.startswith("deferred_signals") for module in hooks)
    assert not connection.needs_rollback


def test_receiver_runs_at_the_send_where_no_block_is_open(numbers: Numbers) -> None:
    numbers.send(1)
    assert numbers.ran == [1]


def test_receiver_runs_at_the_end_of_the_block_and_not_before(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_receiver_runs_at_the_end_of_the_outermost_block(numbers: Numbers) -> None:
    with transaction.atomic():
        with transaction.atomic():
            numbers.send(1)
        assert numbers.ran == []
        numbers.send(2)
    assert numbers.ran == [1, 2]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_receiver_does_not_run_where_the_outermost_block_rolls_back(
    numbers: Numbers, depth: int
) -> None:
    with pytest.raises(Stop), ExitStack() as blocks:
        blocks.enter_context(transaction.atomic())
        for _ in range(depth - 1):
            with transaction.atomic():
                numbers.send(1)
        numbers.send(2)
        roll_back()
    assert numbers.ran == []


def test_receiver_of_an_inner_block_that_rolled_back_does_not_run(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(2)
            with transaction.atomic():
                numbers.send(3)
            roll_back()
        numbers.send(4)
    assert numbers.ran == [1, 4]


def test_block_after_a_block_starts_anew(numbers: Numbers) -> None:
    for number in (1, 2):
        with transaction.atomic():
            numbers.send(number)
    with pytest.raises(Stop), transaction.atomic():
        numbers.send(3)
        roll_back()
    with transaction.atomic():
        numbers.send(4)
    assert numbers.ran == [1, 2, 4]


def test_block_without_a_savepoint_belongs_to_the_one_around_it(numbers: Numbers) -> None:
    with transaction.atomic():
        with transaction.atomic(savepoint=False):
            numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_block_without_a_savepoint_in_no_other_counts(numbers: Numbers) -> None:
    with transaction.atomic(savepoint=False):
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_receiver_of_an_inner_block_that_rolled_back_does_not_run_where_the_outer_has_no_savepoint(
    numbers: Numbers,
) -> None:
    with transaction.atomic(savepoint=False):
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(2)
            roll_back()
        with transaction.atomic(savepoint=False):
            numbers.send(3)
    assert numbers.ran == [1, 3]


def test_block_that_fails_and_has_no_savepoint_runs_nothing(numbers: Numbers) -> None:
    with pytest.raises(Stop), transaction.atomic(savepoint=False):
        numbers.send(1)
        roll_back()
    assert numbers.ran == []
    assert connection.needs_rollback  # what the test itself began is doomed, as Django has it
    transaction.set_rollback(False)


def test_block_that_was_saved_from_its_rollback_runs_its_receivers(numbers: Numbers) -> None:
    with transaction.atomic():
        with pytest.raises(Stop), transaction.atomic(savepoint=False):
            numbers.send(1)
            roll_back()
        transaction.set_rollback(False)
    assert numbers.ran == [1]


def test_receiver_does_not_run_where_releasing_the_savepoint_fails(numbers: Numbers) -> None:
    def fail(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("RELEASE"):
            raise OperationalError("the savepoint is gone")
        return execute(sql, *args)

    with transaction.atomic():
        with pytest.raises(OperationalError, match="savepoint is gone"):  # noqa: SIM117
            with connection.execute_wrapper(fail), transaction.atomic():
                numbers.send(1)
        numbers.send(2)
        transaction.set_rollback(False)
    assert numbers.ran == [2]


def test_decorated_function_is_a_block_each_time_it_is_called(numbers: Numbers) -> None:
    @transaction.atomic(savepoint=False)
    def work(depth: int) -> None:
        numbers.send(depth)
        if depth:
            work(depth - 1)
        assert numbers.ran == []

    work(2)
    assert numbers.ran == [2, 1, 0]
    numbers.ran.clear()
    work(0)
    assert numbers.ran == [0]


def test_durable_block_of_the_code_under_test_counts(numbers: Numbers) -> None:
    with transaction.atomic(durable=True):
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


@pytest.mark.django_db(databases=["default", "other"])
def test_blocks_of_two_databases_are_apart(numbers: Numbers) -> None:
    with transaction.atomic(using="other", savepoint=False):
        with transaction.atomic(savepoint=False):
            numbers.send(1)
            numbers.send(2, using="other")
        assert numbers.ran == [1]
        numbers.send(3)
        assert numbers.ran == [1, 3]
    assert numbers.ran == [1, 3, 2]


def test_block_with_a_savepoint_inside_one_without_counts(numbers: Numbers) -> None:
    with transaction.atomic(savepoint=False), transaction.atomic():
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_failure_of_a_block_without_a_savepoint_takes_the_one_around_it_along(
    numbers: Numbers,
) -> None:
    with transaction.atomic():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic(savepoint=False):
            numbers.send(2)
            roll_back()
    assert numbers.ran == []


def test_block_that_was_set_to_roll_back_runs_nothing(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        transaction.set_rollback(True)
    assert numbers.ran == []


def test_deletion_is_a_block_like_any_other(numbers: Numbers) -> None:
    label = Label.objects.create(name="old")
    with transaction.atomic():
        numbers.send(1)
        label.delete()
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_manual_savepoint_of_the_code_under_test_is_left_to_django(numbers: Numbers) -> None:
    with transaction.atomic():
        # Django 6.1 has a new name for it.
        create = getattr(transaction, "savepoint_create", None) or transaction.savepoint
        sid = create()
        numbers.send(1)
        transaction.savepoint_commit(sid)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_execute_wrapper_of_the_code_under_test_stays_its_own(numbers: Numbers) -> None:
    statements = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(note):
            numbers.send(1)
            Label.objects.exists()
        assert connection.execute_wrappers != [note]
    assert numbers.ran == [1]
    assert len(statements) == 1


def test_block_inside_a_wrapper_that_was_there_before(numbers: Numbers) -> None:
    def pass_on(execute: Any, *args: Any) -> Any:
        return execute(*args)

    with connection.execute_wrapper(pass_on):
        with transaction.atomic():
            numbers.send(1)
        assert numbers.ran == [1]
        assert connection.execute_wrappers == [pass_on]


def test_no_commit_hook_is_registered(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks, transaction.atomic():
        numbers.send(1)
    assert callbacks == []
    assert numbers.ran == [1]


def test_send_from_a_captured_hook_runs_once(
    numbers: Numbers, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        transaction.on_commit(lambda: numbers.send(1))
    assert numbers.ran == [1]


def test_database_error_of_a_receiver_does_not_break_the_tests_transaction(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label(name="same").save(force_insert=True)

    Label.objects.create(name="same")
    with pytest.raises(EagerReceiverFailed) as caught, transaction.atomic():
        Label.objects.create(name="other")
        signal.send(None)
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert Label.objects.count() == 2


def test_database_error_that_the_receiver_handled_is_no_failure(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        with pytest.raises(IntegrityError):
            Label(name="same").save(force_insert=True)

    Label.objects.create(name="same")
    with transaction.atomic():
        signal.send(None)
    assert Label.objects.count() == 1


def test_raw_statement_that_failed_and_was_handled_is_no_failure(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        with connection.cursor() as cursor, pytest.raises(Exception, match="no_such_table"):
            cursor.execute("SELECT * FROM no_such_table")

    with transaction.atomic():
        signal.send(None)
    assert Label.objects.count() == 0


def test_failure_of_a_receiver_does_not_undo_the_block_that_ended(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label.objects.create(name="written by the receiver")
        raise LookupError

    with pytest.raises(LookupError), transaction.atomic():
        Label.objects.create(name="written by the sender")
        signal.send(None)
    assert Label.objects.count() == 2


def test_receiver_is_retried_in_a_transaction_of_its_own(signal: Signal, defer: Connected) -> None:
    runs = []

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        runs.append(Label.objects.filter(name="same").exists())
        if len(runs) == 1:
            Label(name="same").save(force_insert=True)
            Label(name="same").save(force_insert=True)

    signal.send(None)
    assert runs == [False, False]


def test_celerys_own_switch_is_eager_mode_here_too(numbers: Numbers, settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {}
    settings.CELERY_TASK_ALWAYS_EAGER = True
    with transaction.atomic():
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]
