"""The calls of a chunk run, fail and are retried alone."""

from dataclasses import replace
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject
from celery.exceptions import Retry as CelerysRetry
from celery.signals import task_unknown
from django.db import connection, transaction
from django.dispatch import Signal

from deferred_signals import Discard, RetryLater
from deferred_signals.message.wire import pack, unpack
from deferred_signals.receivers import registry
from deferred_signals.worker.parking import PARKED
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.connected import Connected, deferred, running
from tests.support.letters import QUICK, Acting, SendTogether, ids, raises, take_letters
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_calls_run_in_their_order(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (letter,) = send_together(3)
    assert letter.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    told = [kwargs["message"].id for kwargs in lifecycle.of("receiver_succeeded")]
    assert told == ids(letter)


def test_each_call_has_its_own_message(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    seen = []

    @defer(signal, chunk_size=10)
    def receive(sender: object, **kwargs: Any) -> None:
        seen.append((running().id, running().attempt))

    (letter,) = send_together(3)
    letter.deliver()
    assert seen == [(message, 1) for message in ids(letter)]


def test_call_that_fails_is_retried_alone_under_its_id(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    chunked.does[1] = raises(ConnectionError())
    (letter,) = send_together(3)
    assert letter.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    (again,) = take_letters()
    assert [again.headers["id"]] == ids(again) == [ids(letter)[1]]
    assert unpack(again.wires[0]).attempt == 2
    assert again.headers["retries"] == 1
    assert again.headers["eta"]
    assert again.headers["argsrepr"] == "(number)"
    assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [5]
    assert len(lifecycle.of("receiver_succeeded")) == 2


def test_call_is_retried_with_the_options_it_came_with(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting({0: raises(ConnectionError())})
    defer(
        signal, chunk_size=10, retry=QUICK, headers={"tenant": "blue"}, priority=3,
        time_limit=3, soft_time_limit=2,
    )(acting)  # fmt: skip
    (letter,) = send_together(4)
    letter.deliver()
    (again,) = take_letters()
    assert again.headers["timelimit"] == [3, 2]
    assert again.headers["tenant"] == "blue"
    assert again.properties["priority"] == 3


def test_call_that_is_given_up_fails_alone(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    error = LookupError("no such price")
    acting = Acting({1: raises(error)})
    defer(signal, chunk_size=10, retry=None)(acting)
    (letter,) = send_together(3)
    assert letter.deliver() == "SUCCESS"
    assert acting.ran == [0, 1, 2]
    (told,) = lifecycle.of("receiver_failed")
    assert (told["message"].id, told["exception"]) == (ids(letter)[1], error)
    assert take_letters() == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Discard("cancelled"), "receiver_discarded"),
        (Ignore(), "receiver_discarded"),
        (RetryLater(after=7), "receiver_retrying"),
        (Reject("x", requeue=True), "receiver_failed"),
        (CelerysRetry("x"), "receiver_failed"),
        (SystemExit(3), "receiver_retrying"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_a_receiver_raises_is_its_own_calls_matter(
    send_together: SendTogether,
    chunked: Acting,
    lifecycle: Lifecycle,
    error: BaseException,
    told: str,
) -> None:
    chunked.does[1] = raises(error)
    (letter,) = send_together(3)
    assert letter.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    assert [kwargs["message"].id for kwargs in lifecycle.of(told)] == [ids(letter)[1]]
    assert len(lifecycle.of("receiver_succeeded")) == 2


def test_call_that_leaves_autocommit_off_harms_no_other(
    send_together: SendTogether, chunked: Acting
) -> None:
    found = []
    chunked.does[0] = lambda: connection.set_autocommit(False)
    chunked.does[1] = lambda: found.append(connection.get_autocommit())
    (letter,) = send_together(2)
    assert letter.deliver() == "SUCCESS"
    assert found == [True]


def test_payload_that_is_no_message_fails_alone(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (letter,) = send_together(3)
    one, _, three = letter.wires
    assert replace(letter, wires=(one, "no message", three)).deliver() == "SUCCESS"
    assert chunked.ran == [0, 2]
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == ("tests.chunked", None)


def test_arguments_of_which_none_is_a_message_are_no_chunk(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (letter,) = send_together(2)
    assert replace(letter, wires=("no message", "nor this")).deliver() == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == ("tests.chunked", None)
    assert take_letters() == []


def test_call_of_a_newer_version_is_parked_alone(
    send_together: SendTogether, chunked: Acting
) -> None:
    (letter,) = send_together(3)
    one, two, three = letter.wires
    newer = replace(unpack(two), version=2)
    replace(letter, wires=(one, pack(newer), three)).deliver()
    assert chunked.ran == [0, 2]
    (parked,) = take_letters()
    assert (parked.task, parked.headers["id"]) == (PARKED, newer.id)


def test_chunk_of_which_nothing_can_run_here_succeeds_and_its_calls_are_parked(
    send_together: SendTogether, chunked: Acting
) -> None:
    (letter,) = send_together(3)
    registry.discard(registry.get("tests.chunked"))
    assert letter.deliver() == "SUCCESS"
    assert [parked.headers["id"] for parked in take_letters()] == ids(letter)


def test_calls_of_a_redelivered_chunk_are_republished_one_by_one_and_charged_nothing(
    send_together: SendTogether, chunked: Acting
) -> None:
    (letter,) = send_together(3)
    assert letter.deliver(redelivered=True) == "SUCCESS"
    assert chunked.ran == []
    letters = take_letters()
    again = [unpack(wire) for single in letters for wire in single.wires]
    assert [single.headers["id"] for single in letters] == ids(letter)
    assert [(message.attempt, message.redeliveries) for message in again] == [(1, 1)] * 3


@pytest.mark.usefixtures("chunked")
def test_calls_for_a_task_that_celery_does_not_know_are_parked_one_by_one(
    signal: Signal, broker: Broker
) -> None:
    with transaction.atomic():
        sent = [deferred(signal.send(None, number=number))[0].id for number in range(3)]
    with app.connection_for_read() as opened:
        channel: Any = opened.default_channel
        message = channel.basic_get("celery", no_ack=True)
    task_unknown.send(None, message=message, name="tests.chunked")
    parked = take_letters()
    assert {letter.task for letter in parked} == {PARKED}
    assert [letter.headers["id"] for letter in parked] == sent
