"""Eager mode where transactions really commit: receivers run in this process, at the commit."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.db import IntegrityError, connection, transaction
from django.dispatch import Signal
from django.test import override_settings
from pytest_django import Settings

from deferred_signals import EagerReceiverFailed, Retry, current_message
from tests.app.models import Label
from tests.support.connected import Connected, deferred, running
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("eager")]


def test_receiver_runs_at_the_commit_and_not_before(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        assert numbers.ran == []
    assert numbers.ran == [1]


def test_receiver_runs_at_the_send_outside_a_transaction(numbers: Numbers) -> None:
    numbers.send(1)
    assert numbers.ran == [1]


def test_receiver_of_a_rolled_back_block_does_not_run(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
        with transaction.atomic():
            numbers.send(2)
            transaction.set_rollback(True)
    assert numbers.ran == [1]


def test_nothing_reaches_the_broker(numbers: Numbers) -> None:
    numbers.send(1)
    assert numbers.published == []


def test_receiver_gets_what_went_through_the_wire(signal: Signal, defer: Connected) -> None:
    got = []

    @defer(signal)
    def receive(sender: object, items: list[object], **kwargs: object) -> None:
        got.append(items)

    items = [(1, 2), {3}]
    signal.send(None, items=items)
    assert got == [items]
    assert got[0] is not items


def test_receiver_runs_outside_the_transaction_that_was_committed(
    signal: Signal, defer: Connected
) -> None:
    seen = []

    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        seen.append(connection.in_atomic_block)

    with transaction.atomic():
        signal.send(None)
    assert seen == [False]


def test_row_of_the_transaction_is_there_when_the_receiver_runs(
    signal: Signal, defer: Connected
) -> None:
    got = []

    @defer(signal)
    def receive(sender: object, label: Label, **kwargs: object) -> None:
        got.append(label)

    with transaction.atomic():
        label = Label.objects.create(name="new")
        signal.send(None, label=label)
    assert got == [label]
    assert got[0] is not label


def test_failure_reaches_the_caller_after_the_commit(signal: Signal, defer: Connected) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        raise LookupError("from the receiver")

    with pytest.raises(LookupError, match="from the receiver"), transaction.atomic():
        Label.objects.create(name="new")
        signal.send(None)
    assert Label.objects.filter(name="new").exists()


def test_failure_of_one_receiver_does_not_keep_the_others_from_running(
    signal: Signal, defer: Connected
) -> None:
    ran = []

    @defer(signal, retry=None)
    def receive(sender: object, number: int, **kwargs: object) -> None:
        ran.append(number)
        if number < 3:
            raise LookupError(f"number {number}")

    with pytest.raises(LookupError, match="number 1"), transaction.atomic():
        for number in (1, 2, 3):
            signal.send(None, number=number)
    assert ran == [1, 2, 3]


def test_database_error_reaches_the_caller_as_an_error_of_ours(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        Label(name="same").save(force_insert=True)
        Label(name="same").save(force_insert=True)

    with pytest.raises(EagerReceiverFailed) as caught, transaction.atomic():
        signal.send(None)
    assert isinstance(caught.value.__cause__, IntegrityError)


def test_failure_is_kept_from_the_caller_where_the_settings_say_so(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, configure: Callable[..., None]
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        raise LookupError

    configure(EAGER_PROPAGATES=False)
    with transaction.atomic():
        signal.send(None)
    assert lifecycle.names == ["receiver_started", "receiver_failed"]


def test_receiver_is_retried_without_sleeping(signal: Signal, defer: Connected) -> None:
    attempts = []

    @defer(signal, retry=Retry(max_attempts=4, wait_initial=3600, wait_max=7200))
    def receive(sender: object, **kwargs: object) -> None:
        attempts.append(running().attempt)
        if len(attempts) < 3:
            raise LookupError

    signal.send(None)
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize("max_attempts", [1, 2, 5])
def test_receiver_is_given_up_after_exactly_max_attempts(
    signal: Signal, defer: Connected, max_attempts: int, lifecycle: Lifecycle
) -> None:
    @defer(signal, retry=Retry(max_attempts=max_attempts))
    def receive(sender: object, **kwargs: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        signal.send(None)
    assert lifecycle.names.count("receiver_started") == max_attempts
    assert lifecycle.names.count("receiver_retrying") == max_attempts - 1
    assert lifecycle.names.count("receiver_failed") == 1


def test_all_attempts_are_of_one_message(signal: Signal, defer: Connected) -> None:
    seen = []

    @defer(signal, name="tests.thrice", retry=Retry(max_attempts=3))
    def receive(sender: object, **kwargs: object) -> None:
        seen.append(running())
        if len(seen) < 3:
            raise LookupError

    (sent,) = deferred(signal.send(None))
    assert {message.id for message in seen} == {sent.id}
    assert {message.receiver for message in seen} == {"tests.thrice"}
    assert {message.max_attempts for message in seen} == {3}
    assert current_message() is None


def test_override_settings_turns_eager_mode_on_and_off(numbers: Numbers) -> None:
    numbers.send(1)
    with override_settings(DEFERRED_SIGNALS={}):
        numbers.send(2)
    numbers.send(3)
    assert numbers.ran == [1, 3]
    assert numbers.published == [2]


def test_celerys_own_switch_in_djangos_settings_is_eager_mode(
    numbers: Numbers, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {}
    settings.CELERY_TASK_ALWAYS_EAGER = True
    numbers.send(1)
    assert (numbers.ran, numbers.published) == ([1], [])


def test_celerys_own_switch_on_the_app_is_eager_mode(numbers: Numbers, settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {}
    current_app.conf.task_always_eager = True
    try:
        numbers.send(1)
    finally:
        del current_app.conf["task_always_eager"]
    assert (numbers.ran, numbers.published) == ([1], [])


def test_async_receiver_is_awaited_and_may_use_the_database(
    signal: Signal, defer: Connected
) -> None:
    got: list[Any] = []

    @defer(signal)
    async def receive(sender: object, **kwargs: object) -> None:
        got.append(await Label.objects.acount())

    with transaction.atomic():
        Label.objects.create(name="new")
        signal.send(None)
    assert got == [1]


def test_receiver_that_fails_is_not_blamed_on_the_broker(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        raise OSError("not the broker's")

    with pytest.raises(OSError, match="not the broker's"):
        signal.send(None)
    assert lifecycle.of("publish_failed") == []
