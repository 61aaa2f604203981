"""What the broker is given, and what happens if the broker is away."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import PublishError
from deferred_signals.decorator import DeferredReceiver
from deferred_signals.events import message_published
from deferred_signals.receivers import registry
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)


def receive(sender: object, **kwargs: object) -> None:
    """Do nothing: no worker runs here."""


def test_message_is_a_task_of_the_receivers_name(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name="tests.named")(receive)
    signal.send("me", number=1)
    (published,) = broker.take()
    assert published.task == "tests.named"
    assert published.message.receiver == "tests.named"
    assert published.message.attempt == 1
    assert published.message.using == "default"


def test_monitors_see_the_names_of_kwargs_and_no_values(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal)(receive)
    signal.send("swordfish", card="swordfish", total=3)
    (published,) = broker.take()
    assert published.headers["argsrepr"] == "(card, total)"
    assert published.headers["kwargsrepr"] == "{}"
    assert "swordfish" not in json.dumps([published.headers, published.properties], default=str)


def test_message_goes_where_task_routes_say(
    signal: Signal, defer: Connected, broker: Broker, make_current: MakeCurrent
) -> None:
    make_current(broker_url="memory://", task_routes={"tests.mail.*": {"queue": "mails"}})
    defer(signal, name="tests.mail.send")(receive)
    signal.send(None)
    assert broker.take() == []
    assert len(broker.take("mails")) == 1


def test_receivers_queue_is_preferred_to_the_settings(
    signal: Signal, defer: Connected, broker: Broker, configure: Any
) -> None:
    configure(QUEUE="usual")
    defer(signal)(receive)
    defer(signal, queue="special")(Receiver())
    signal.send(None)
    assert len(broker.take("usual")) == 1
    assert len(broker.take("special")) == 1


class Receiver:
    def __call__(self, sender: object, **kwargs: object) -> None:
        """Do nothing: no worker runs here."""


def test_options_may_be_computed_from_what_is_sent(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(
        signal,
        queue=lambda sender, **kwargs: f"of_{sender}",
        priority=lambda sender, number, **kwargs: number,
    )(receive)
    signal.send("me", number=7)
    (published,) = broker.take("of_me")
    assert published.properties["priority"] == 7


@pytest.mark.parametrize("later", [30, timedelta(seconds=30), lambda sender, **kwargs: 30])
@pytest.mark.parametrize("option", ["countdown", "expires"])
def test_delays_are_seconds_timedeltas_or_computed(
    signal: Signal, defer: Connected, broker: Broker, option: str, later: object
) -> None:
    defer(signal, **{option: later})(receive)
    signal.send(None)
    (published,) = broker.take()
    assert published.headers["eta" if option == "countdown" else "expires"]


def test_computed_timedelta_is_a_delay_too(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, countdown=lambda sender, **kwargs: timedelta(minutes=1))(receive)
    signal.send(None)
    (published,) = broker.take()
    assert published.headers["eta"]


@pytest.mark.parametrize(
    ("option", "value"), [("priority", "high"), ("countdown", "soon"), ("queue", 3)]
)
def test_computed_option_that_makes_no_sense_meets_the_sender(
    signal: Signal, defer: Connected, option: str, value: object
) -> None:
    defer(signal, **{option: lambda sender, **kwargs: value})(receive)
    with pytest.raises((TypeError, ValueError), match=option), transaction.atomic():
        signal.send(None)


def test_limits_headers_and_compression_go_with_the_message(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    headers = {"tenant": "blue"}
    defer(
        signal,
        time_limit=timedelta(minutes=1),
        soft_time_limit=50,
        headers=headers,
        compression="gzip",
    )(receive)
    for _ in range(2):
        signal.send(None)
    one, two = broker.take()
    assert one.headers["timelimit"] == [60, 50]
    assert one.headers["tenant"] == two.headers["tenant"] == "blue"
    assert one.headers["compression"] == "application/x-gzip"
    assert one.headers["id"] != two.headers["id"]
    assert headers == {"tenant": "blue"}


@pytest.mark.usefixtures("broker_away")
def test_broker_that_is_away_fails_nobodys_request(
    numbers: Numbers, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "deferred_signals"), transaction.atomic():
        numbers.send(1, 2)
    (told,) = lifecycle.of("publish_failed")
    assert told["sender"] is None
    assert isinstance(told["exception"], PublishError)
    assert isinstance(told["exception"].__cause__, Exception)
    assert [message.kwargs["number"] for message in told["messages"]] == [1, 2]
    assert lifecycle.of("message_published") == []


@pytest.mark.usefixtures("broker_away")
def test_each_lost_message_is_logged_once_without_its_values(
    signal: Signal, defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    defer(signal, name="tests.named")(receive)
    with transaction.atomic():
        (one,) = deferred(signal.send(None, card="swordfish"))
        (two,) = deferred(signal.send(None, card="swordfish"))
    records = [record for record in caplog.records if record.name == "deferred_signals"]
    assert [record.__dict__["deferred_message_id"] for record in records] == [one.id, two.id]
    assert {record.__dict__["deferred_receiver"] for record in records} == {"tests.named"}
    assert {record.levelname for record in records} == {"ERROR"}
    assert "swordfish" not in caplog.text


def test_message_that_cannot_be_published_does_not_keep_the_others_back(
    signal: Signal, defer: Connected, broker: Broker, lifecycle: Lifecycle
) -> None:
    @defer(signal, serializer="no such serializer")
    def first(sender: object, **kwargs: object) -> None: ...

    @defer(signal)
    def second(sender: object, **kwargs: object) -> None: ...

    with transaction.atomic():
        signal.send(None)
    assert len(broker.take()) == 1
    assert sorted(lifecycle.names) == ["message_published", "publish_failed"]


def test_listener_that_fails_changes_nothing(numbers: Numbers) -> None:
    def listener(**kwargs: object) -> None:
        raise LookupError

    message_published.connect(listener)
    try:
        numbers.send(1)
    finally:
        message_published.disconnect(listener)
    assert numbers.published == [1]


def test_receiver_that_takes_the_name_of_another_is_published_by_its_own_options(
    signal: Signal, defer: Connected, broker: Broker, lifecycle: Lifecycle
) -> None:
    defer(signal, name="tests.taken_over")(receive)
    signal.send(None)
    first = registry.get("tests.taken_over")
    assert isinstance(first, DeferredReceiver)
    first.forget()
    defer(signal, name="tests.taken_over", serializer="no such serializer")(receive)
    signal.send(None)
    assert lifecycle.names == ["message_published", "publish_failed"]
