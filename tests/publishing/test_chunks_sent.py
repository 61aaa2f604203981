"""``chunk_size``: calls that one transaction publishes travel in one message."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import InvalidReceiver
from deferred_signals.testing import inline, manual
from tests.support.acting import Acting, raising
from tests.support.broker import Broker
from tests.support.celery_messages import SendTogether, take_celery_messages
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


def test_calls_of_one_transaction_travel_together(
    send_together: SendTogether, chunked: Acting
) -> None:
    assert [len(celery_message.wires) for celery_message in send_together(23)] == [10, 10, 3]


def test_chunk_has_a_task_id_of_its_own(signal: Signal, broker: Broker, chunked: Acting) -> None:
    with transaction.atomic():
        sent = [deferred(signal.send(None, number=number))[0].id for number in range(2)]
    (celery_message,) = take_celery_messages()
    assert celery_message.ids == sent
    assert celery_message.headers["id"] not in sent


def test_call_that_travels_alone_has_the_id_of_its_message(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(1)
    assert celery_message.headers["id"] == celery_message.ids[0]


def test_monitors_see_how_many_calls_there_are_and_no_values(
    send_together: SendTogether, chunked: Acting
) -> None:
    (celery_message,) = send_together(3, card="swordfish")
    assert celery_message.headers["argsrepr"] == "(3 calls: number, card)"
    assert "swordfish" not in json.dumps(celery_message.headers, default=str)


def test_calls_with_other_options_travel_in_another_chunk(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, chunk_size=10, priority=lambda sender, number, **kwargs: 9 if number % 2 else 1)(
        Acting()
    )
    assert [len(celery_message.wires) for celery_message in send_together(5)] == [3, 2]


def test_chunk_is_no_larger_than_one_message_may_be(
    send_together: SendTogether, chunked: Acting, configure: Any
) -> None:
    configure(MAX_MESSAGE_BYTES=2048)
    celery_messages = send_together(4, text="x" * 600)
    assert [len(celery_message.wires) for celery_message in celery_messages] == [2, 2]


def test_chunk_gets_the_time_limits_of_all_its_calls(
    signal: Signal, defer: Connected, send_together: SendTogether
) -> None:
    defer(signal, chunk_size=10, time_limit=3, soft_time_limit=2)(Acting())
    (celery_message,) = send_together(4)
    assert celery_message.headers["timelimit"] == [12, 8]


def test_signals_tell_of_each_message_alone(
    send_together: SendTogether, chunked: Acting, lifecycle: Lifecycle
) -> None:
    (celery_message,) = send_together(3)
    published = [told["message"].id for told in lifecycle.of("message_published")]
    assert published == celery_message.ids


def test_chunk_that_cannot_be_published_is_reported_by_its_messages(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    defer(signal, chunk_size=10, serializer="no such serializer")(Acting())
    assert send_together(3) == []
    (told,) = lifecycle.of("publish_failed")
    assert [message.kwargs["number"] for message in told["messages"]] == [0, 1, 2]
    assert lifecycle.of("message_published") == []


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many", True, None])
def test_chunk_size_that_is_no_positive_whole_number_is_refused(
    signal: Signal, defer: Connected, wrong: object
) -> None:
    with pytest.raises(InvalidReceiver, match="chunk_size"):
        defer(signal, chunk_size=wrong)(Acting())


def test_chunks_make_no_difference_in_inline_and_manual_mode(
    signal: Signal, chunked: Acting, broker: Broker
) -> None:
    chunked.does[1] = raising(LookupError())
    with inline(), pytest.raises(LookupError), transaction.atomic():
        for number in range(3):
            signal.send(None, number=number)
    assert chunked.ran == [0, 1, 1, 1, 2]
    chunked.ran.clear()
    with manual() as collected:
        with transaction.atomic():
            for number in range(3):
                signal.send(None, number=number)
        assert [call.kwargs["number"] for call in collected.all_deferred()] == [0, 1, 2]
        collected.run_deferred(raises=False)
    assert chunked.ran.count(1) == 3
    assert broker.take() == []
