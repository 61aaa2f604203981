"""Coalescing by what survives until the commit: savepoints, hooks of other code, databases."""

import logging
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.dispatch import Signal

from deferred_signals.testing import manual
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Sends:
    """Numbered sends with a key, and which of them each message on the broker stands for."""

    def __init__(self, signal: Signal, defer: Connected, broker: Broker) -> None:
        self._signal = signal
        self._broker = broker
        defer(signal, coalesce=lambda sender, key, **kwargs: key)(self.receive)

    def receive(self, sender: object, **kwargs: Any) -> None:
        """Never run: no test here delivers the message."""

    def send(self, *numbers: int, key: str | None = "key", **kwargs: Any) -> None:
        for number in numbers:
            self._signal.send(None, key=key, update_fields={number}, **kwargs)

    @property
    def published(self) -> list[set[int]]:
        return [published.kwargs["update_fields"] for published in self._broker.take()]


@pytest.fixture
def sends(signal: Signal, defer: Connected, broker: Broker) -> Sends:
    return Sends(signal, defer, broker)


def test_nothing_leaves_before_the_commit(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1, 2)
        with transaction.atomic():
            sends.send(3)
        assert sends.published == []
    assert sends.published == [{1, 2, 3}]


def test_sends_of_a_rolled_back_transaction_are_neither_published_nor_merged(sends: Sends) -> None:
    with pytest.raises(Stop), transaction.atomic():
        sends.send(1, 2)
        roll_back()
    with transaction.atomic():
        sends.send(3)
    assert sends.published == [{3}]


def test_rolled_back_savepoint_at_the_beginning_does_not_count(sends: Sends) -> None:
    with transaction.atomic():
        with pytest.raises(Stop), transaction.atomic():
            sends.send(1)
            roll_back()
        sends.send(2)
    assert sends.published == [{2}]


def test_rolled_back_savepoint_in_the_middle_does_not_count(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1)
        with pytest.raises(Stop), transaction.atomic():
            sends.send(2)
            roll_back()
        sends.send(3)
    assert sends.published == [{1, 3}]


def test_rolled_back_savepoint_at_the_end_takes_nothing_along(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1)
        with transaction.atomic():
            sends.send(2)
        with pytest.raises(Stop), transaction.atomic():
            sends.send(3)
            roll_back()
    assert sends.published == [{1, 2}]


def test_rolled_back_savepoints_alone_publish_nothing(sends: Sends) -> None:
    with transaction.atomic():
        for number in (1, 2):
            with pytest.raises(Stop), transaction.atomic():
                sends.send(number)
                roll_back()
    assert sends.published == []


def test_released_savepoint_falls_with_the_one_around_it(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1)
        with pytest.raises(Stop), transaction.atomic():
            with transaction.atomic():
                sends.send(2)
            sends.send(3)
            roll_back()
        with transaction.atomic(), transaction.atomic():
            sends.send(4)
    assert sends.published == [{1, 4}]


def test_sends_around_a_hook_of_other_code_are_merged_behind_it(sends: Sends) -> None:
    published_before_the_hook = []
    with transaction.atomic():
        sends.send(1)
        transaction.on_commit(lambda: published_before_the_hook.extend(sends.published))
        sends.send(2)
    assert published_before_the_hook == []
    assert sends.published == [{1, 2}]


def test_robust_hook_of_other_code_that_fails_costs_no_message(
    sends: Sends, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "django.db.backends.base"), transaction.atomic():
        sends.send(1)
        transaction.on_commit(roll_back, robust=True)
        sends.send(2)
    assert sends.published == [{1, 2}]


def test_send_from_a_commit_hook_leaves_at_once_and_alone(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1)
        transaction.on_commit(lambda: sends.send(2))
        sends.send(3)
    assert sends.published == [{2}, {1, 3}]


def test_transaction_of_a_commit_hook_is_one_of_its_own(sends: Sends) -> None:
    def hook() -> None:
        with transaction.atomic():
            sends.send(2, 3)

    with transaction.atomic():
        sends.send(1)
        transaction.on_commit(hook)
        sends.send(4)
    assert sends.published == [{2, 3}, {1, 4}]


def test_transactions_stay_apart(sends: Sends) -> None:
    for _ in range(2):
        with transaction.atomic():
            sends.send(1, 2)
    assert sends.published == [{1, 2}, {1, 2}]


def test_sends_outside_of_a_transaction_leave_at_once(sends: Sends) -> None:
    sends.send(1, 2)
    assert sends.published == [{1}, {2}]


def test_databases_stay_apart(sends: Sends) -> None:
    with transaction.atomic(using="other"):
        with transaction.atomic():
            sends.send(1, using="other")
            sends.send(2)
            sends.send(3, using="other")
            sends.send(4)
        assert sends.published == [{2, 4}]
    assert sends.published == [{1, 3}]


def test_threads_stay_apart(sends: Sends) -> None:
    def work() -> None:
        try:
            with transaction.atomic(using="other"):
                sends.send(2, 3, using="other")
        finally:
            connections.close_all()

    with manual() as deferred, transaction.atomic():
        sends.send(1)
        thread = Thread(target=work)
        thread.start()
        thread.join()
        sends.send(4)
    told = [call.kwargs["update_fields"] for call in deferred.all_deferred()]
    assert told == [{2, 3}, {1, 4}]


def test_message_that_stays_alone_keeps_its_place_and_its_batch(sends: Sends) -> None:
    published_before_the_hook = []
    with transaction.atomic():
        for number in range(0, 6, 2):
            sends.send(number)
            sends.send(number + 1, key=None)
        assert len(connection.run_on_commit) == 2
        transaction.on_commit(lambda: published_before_the_hook.extend(sends.published))
    assert published_before_the_hook == [{1}, {3}, {5}, {0, 2, 4}]


def test_tail_falls_with_no_savepoint(sends: Sends) -> None:
    with transaction.atomic(), transaction.atomic():
        sends.send(1)
        savepoints = [len(registered[0]) for registered in connection.run_on_commit]
        assert savepoints == [1, 0]
    assert sends.published == [{1}]


def test_hooks_are_robust_and_have_a_name_that_django_can_log(sends: Sends) -> None:
    with transaction.atomic():
        sends.send(1)
        for registered in connection.run_on_commit:
            robust: object = registered[-1]
            assert registered[1].__qualname__
            assert robust is True


def test_nothing_is_lost_where_a_test_suite_runs_hooks_at_once(
    sends: Sends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "on_commit", lambda hook, **kwargs: hook())
    with transaction.atomic():
        sends.send(1)
        with transaction.atomic():
            sends.send(2)
            assert sends.published == [{1}, {2}]
