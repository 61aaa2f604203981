"""The order of one key, in each testing mode, in eager mode, and for rows in the table."""

import pytest
from django.db import transaction
from django.dispatch import Signal

from tests.support.connected import running

from .ways import Connect, Way

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def test_messages_of_a_key_run_in_their_order_and_a_retry_holds_them_up(
    way: Way, signal: Signal, connect: Connect
) -> None:
    runs: list[tuple[str, int, int]] = []

    @connect(ordered_by=lambda sender, key, **kwargs: key)
    def receive(sender: object, key: str, number: int, **kwargs: object) -> None:
        runs.append((key, number, running().attempt))
        if (key, number) == ("a", 1) and running().attempt < 3:
            raise ConnectionError

    def send() -> None:
        with transaction.atomic():
            for number in (1, 2):
                signal.send(None, key="a", number=number)
                signal.send(None, key="b", number=number)
            with transaction.atomic():
                signal.send(None, key="a", number=3)

    assert way.run(send) == ["succeeded"] * 5
    of_a = [(number, attempt) for key, number, attempt in runs if key == "a"]
    assert of_a == [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]
    assert [number for key, number, _ in runs if key == "b"] == [1, 2]
    if way.mode in {"manual", "table"}:  # the others run each message through before the next
        assert runs.index(("b", 2, 1)) < runs.index(("a", 1, 2))


def test_message_that_is_given_up_lets_its_order_go_on(
    way: Way, signal: Signal, connect: Connect
) -> None:
    runs: list[int] = []

    @connect(ordered_by=lambda sender, **kwargs: "all")
    def receive(sender: object, number: int, **kwargs: object) -> None:
        runs.append(number)
        if number == 1:
            raise ConnectionError

    def send() -> None:
        with transaction.atomic():
            signal.send(None, number=1)
            signal.send(None, number=2)

    assert sorted(way.run(send)) == ["failed", "succeeded"]
    assert runs == [1, 1, 1, 2]


def test_message_that_a_receiver_sends_waits_for_those_before_it_in_its_order(
    way: Way, signal: Signal, connect: Connect
) -> None:
    happened: list[str] = []

    @connect(ordered_by=lambda sender, **kwargs: "all", atomic=False)
    def receive(sender: object, number: int, **kwargs: object) -> None:
        happened.append(f"{number} begins")
        if number == 1 and running().attempt == 1:
            signal.send(None, number=3)
        happened.append(f"{number} ends")
        if number == 1 and running().attempt == 1:
            raise ConnectionError

    def send() -> None:
        with transaction.atomic():
            signal.send(None, number=1)
            signal.send(None, number=2)

    assert way.run(send) == ["succeeded"] * 3
    numbers = [1, 1, 2, 3]
    assert happened == [f"{number} {what}" for number in numbers for what in ("begins", "ends")]


def test_countdown_holds_its_order_up(way: Way, signal: Signal, connect: Connect) -> None:
    runs: list[int] = []

    @connect(
        ordered_by=lambda sender, **kwargs: "all",
        countdown=lambda sender, number, **kwargs: 90 if number == 1 else 0,
    )
    def receive(sender: object, number: int, **kwargs: object) -> None:
        runs.append(number)

    def send() -> None:
        with transaction.atomic():
            signal.send(None, number=1)
            signal.send(None, number=2)

    assert way.run(send) == ["succeeded"] * 2
    assert runs == [1, 2]
