"""Nothing leaves before its transaction is committed, and nothing of a rollback."""

import logging
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import post_save
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

from deferred_signals import SerializationError
from tests.app.models import Label
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db(transaction=True)


def test_message_leaves_at_the_commit_and_not_before(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        assert numbers.published == []
    assert numbers.published == [1]


def test_message_outside_a_transaction_leaves_at_once(numbers: Numbers) -> None:
    numbers.send(1)
    assert numbers.published == [1]


def test_message_of_a_rolled_back_transaction_is_never_published(numbers: Numbers) -> None:
    with pytest.raises(Stop), transaction.atomic():
        numbers.send(1)
        roll_back()
    numbers.send(2)
    assert numbers.published == [2]


def test_message_of_a_transaction_that_was_set_to_roll_back_is_never_published(
    numbers: Numbers,
) -> None:
    with transaction.atomic():
        numbers.send(1)
        transaction.set_rollback(True)
    assert numbers.published == []


def test_message_of_a_rolled_back_savepoint_is_never_published(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(2)
            roll_back()
        numbers.send(3)
    assert numbers.published == [1, 3]


def test_message_of_a_released_savepoint_falls_with_the_savepoint_around_it(
    numbers: Numbers,
) -> None:
    with transaction.atomic():
        with pytest.raises(Stop), transaction.atomic():
            with transaction.atomic():
                numbers.send(1)
            numbers.send(2)
            roll_back()
        numbers.send(3)
    assert numbers.published == [3]


def test_messages_of_nested_blocks_leave_in_the_order_of_their_sends(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        with transaction.atomic():
            numbers.send(2)
            with transaction.atomic():
                numbers.send(3)
            numbers.send(4)
        numbers.send(5)
    assert numbers.published == [1, 2, 3, 4, 5]


def test_failed_block_without_a_savepoint_takes_the_whole_transaction_with_it(
    numbers: Numbers,
) -> None:
    with transaction.atomic():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic(savepoint=False):
            numbers.send(2)
            roll_back()
    assert numbers.published == []


def test_foreign_hook_keeps_its_place_between_two_sends(numbers: Numbers) -> None:
    published_before_the_hook = []
    with transaction.atomic():
        numbers.send(1)
        transaction.on_commit(lambda: published_before_the_hook.extend(numbers.published))
        numbers.send(2)
    assert published_before_the_hook == [1]
    assert numbers.published == [2]


def test_run_of_sends_shares_one_hook(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1, 2, 3)
        assert len(connection.run_on_commit) == 1
        with transaction.atomic():
            numbers.send(4, 5)
            assert len(connection.run_on_commit) == 2
    assert numbers.published == [1, 2, 3, 4, 5]


def test_send_after_a_rolled_back_savepoint_joins_the_hook_before_it(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        with pytest.raises(Stop), transaction.atomic():
            numbers.send(2)
            roll_back()
        numbers.send(3)
        assert len(connection.run_on_commit) == 1
    assert numbers.published == [1, 3]


def test_hook_is_robust(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        (registered,) = connection.run_on_commit
    robust: object = registered[-1]
    assert robust is True


def test_hook_has_a_name_that_django_can_log(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        (registered,) = connection.run_on_commit
        hook = registered[1]
    assert hook.__qualname__


def test_robust_foreign_hook_that_fails_costs_no_message(
    numbers: Numbers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "django.db.backends.base"), transaction.atomic():
        numbers.send(1)
        transaction.on_commit(roll_back, robust=True)
        numbers.send(2)
    assert numbers.published == [1, 2]


def test_send_from_a_commit_hook_leaves_at_once(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        transaction.on_commit(lambda: numbers.send(3))
        numbers.send(2)
    assert numbers.published == [1, 3, 2]


def test_hook_of_one_transaction_is_not_that_of_the_next(numbers: Numbers) -> None:
    for number in (1, 2):
        with transaction.atomic():
            numbers.send(number)
        assert numbers.published == [number]


def test_values_are_those_of_the_send(signal: Signal, defer: Connected, broker: Broker) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None: ...

    items = [1]
    with transaction.atomic():
        signal.send(None, items=items)
        items.append(2)
    (published,) = broker.take()
    assert published.kwargs == {"items": [1]}


def test_model_signal_of_a_save_that_the_database_refused_is_never_published(
    defer: Connected, broker: Broker
) -> None:
    @defer(post_save, sender=Label)
    def receive(sender: type, **kwargs: object) -> None: ...

    with pytest.raises(DatabaseError), transaction.atomic():
        Label(name="new").save(force_insert=True)
        Label(name="new").save(force_insert=True)
    assert broker.take() == []


def test_manual_transaction_gets_an_error_that_tells_what_to_do(numbers: Numbers) -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(TransactionManagementError, match=r"transaction\.atomic\(\)"):
            numbers.send(1)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert numbers.published == []


def test_atomic_block_in_a_manual_transaction_is_followed_to_the_manual_commit(
    numbers: Numbers,
) -> None:
    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            numbers.send(1)
        assert numbers.published == []
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert numbers.published == [1]


@pytest.mark.parametrize("robustly", [False, True])
def test_message_is_told_as_published_after_the_commit(
    numbers: Numbers, lifecycle: Lifecycle, *, robustly: bool
) -> None:
    with transaction.atomic():
        numbers.send(1)
        transaction.on_commit(lambda: None, robust=robustly)
        assert lifecycle.names == []
    assert lifecycle.names == ["message_published"]


def in_blocks(*, depth: int, then: Callable[[], None]) -> None:
    if depth == 0:
        then()
    else:
        with transaction.atomic():
            in_blocks(depth=depth - 1, then=then)


def test_error_of_the_encoder_meets_the_sender_and_leaves_the_transaction_usable(
    signal: Signal, numbers: Numbers
) -> None:
    def send() -> None:
        with pytest.raises(SerializationError, match="cannot travel"):
            signal.send(None, number=object())
        numbers.send(2)

    in_blocks(depth=2, then=send)
    assert numbers.published == [2]
