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
from tests.support.acting import QUICK, Acting, raising
from tests.support.broker import Broker
from tests.support.celery_messages import SendTogether, take_celery_messages
from tests.support.connected import Connected, deferred, running
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_calls_run_in_their_order(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(3)
    assert celery_message.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    told = [kwargs["message"].id for kwargs in lifecycle.of("receiver_succeeded")]
    assert told == celery_message.ids


def test_each_call_has_its_own_message(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    seen = []

    @defer(signal, chunk_size=10)
    def receive(sender: object, **kwargs: Any) -> None:
        seen.append((running().id, running().attempt))

    (celery_message,) = send_together(3)
    celery_message.deliver()
    assert seen == [(message, 1) for message in celery_message.ids]


def test_call_that_fails_is_retried_alone_under_its_id(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    chunked.does[1] = raising(ConnectionError())
    (celery_message,) = send_together(3)
    assert celery_message.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    (again,) = take_celery_messages()
    assert [again.headers["id"]] == again.ids == [celery_message.ids[1]]
    assert unpack(again.wires[0]).attempt == 2
    assert again.headers["retries"] == 1
    assert again.headers["eta"]
    assert again.headers["argsrepr"] == "(number)"
    assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [5]
    assert len(lifecycle.of("receiver_succeeded")) == 2


def test_call_is_retried_with_the_options_it_came_with(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    acting = Acting({0: raising(ConnectionError())})
    defer(
        signal, chunk_size=10, retry=QUICK, headers={"tenant": "blue"}, priority=3,
        time_limit=3, soft_time_limit=2,
    )(acting)  # fmt: skip
    (celery_message,) = send_together(4)
    celery_message.deliver()
    (again,) = take_celery_messages()
    assert again.headers["timelimit"] == [3, 2]
    assert again.headers["tenant"] == "blue"
    assert again.properties["priority"] == 3


def test_call_that_is_given_up_fails_alone(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    error = LookupError("no such price")
    acting = Acting({1: raising(error)})
    defer(signal, chunk_size=10, retry=None)(acting)
    (celery_message,) = send_together(3)
    assert celery_message.deliver() == "SUCCESS"
    assert acting.ran == [0, 1, 2]
    (told,) = lifecycle.of("receiver_failed")
    assert (told["message"].id, told["exception"]) == (celery_message.ids[1], error)
    assert take_celery_messages() == []


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
    chunked.does[1] = raising(error)
    (celery_message,) = send_together(3)
    assert celery_message.deliver() == "SUCCESS"
    assert chunked.ran == [0, 1, 2]
    assert [kwargs["message"].id for kwargs in lifecycle.of(told)] == [celery_message.ids[1]]
    assert len(lifecycle.of("receiver_succeeded")) == 2


def test_call_that_leaves_autocommit_off_harms_no_other(
    send_together: SendTogether, chunked: Acting
) -> None:
    found = []
    chunked.does[0] = lambda: connection.set_autocommit(False)
    chunked.does[1] = lambda: found.append(connection.get_autocommit())
    (celery_message,) = send_together(2)
    assert celery_message.deliver() == "SUCCESS"
    assert found == [True]


def test_payload_that_is_no_message_fails_alone(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(3)
    one, _, three = celery_message.wires
    assert replace(celery_message, wires=(one, "no message", three)).deliver() == "SUCCESS"
    assert chunked.ran == [0, 2]
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == ("tests.chunked", None)


def test_arguments_of_which_none_is_a_message_are_no_chunk(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(2)
    assert replace(celery_message, wires=("no message", "nor this")).deliver() == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == ("tests.chunked", None)
    assert take_celery_messages() == []


def test_call_of_a_newer_version_is_parked_alone(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(3)
    one, two, three = celery_message.wires
    newer = replace(unpack(two), version=2)
    replace(celery_message, wires=(one, pack(newer), three)).deliver()
    assert chunked.ran == [0, 2]
    (parked,) = take_celery_messages()
    assert (parked.task, parked.headers["id"]) == (PARKED, newer.id)


def test_chunk_of_which_nothing_can_run_here_succeeds_and_its_calls_are_parked(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(3)
    registry.discard(registry.get("tests.chunked"))
    assert celery_message.deliver() == "SUCCESS"
    assert [parked.headers["id"] for parked in take_celery_messages()] == celery_message.ids


def test_calls_of_a_redelivered_chunk_are_republished_one_by_one_and_charged_nothing(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(3)
    assert celery_message.deliver(redelivered=True) == "SUCCESS"
    assert chunked.ran == []
    celery_messages = take_celery_messages()
    again = [unpack(wire) for single in celery_messages for wire in single.wires]
    assert [single.headers["id"] for single in celery_messages] == celery_message.ids
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
    parked = take_celery_messages()
    assert {celery_message.task for celery_message in parked} == {PARKED}
    assert [celery_message.headers["id"] for celery_message in parked] == sent
