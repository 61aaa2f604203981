"""What the first send of a process lets be prepared: nothing is published, and nobody is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, Task, current_app, signals
from django.db import transaction
from django.dispatch import Signal

from deferred_signals.publishing.line import Line
from deferred_signals.publishing.recorder import prepare
from deferred_signals.receivers import registry
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected

NAME = "tests.prepared"


@pytest.fixture
def prepared(signal: Signal, defer: Connected) -> Any:
    """Give a receiver that nothing was sent to."""

    @defer(signal, name=NAME)
    def receive(sender: object, **kwargs: object) -> None: ...

    return registry.get(NAME)


@pytest.fixture
def seen() -> Iterator[list[str]]:
    """Hear of each message that Celery is about to publish."""
    names: list[str] = []

    def hear(sender: str, **kwargs: object) -> None:
        names.append(sender)

    signals.before_task_publish.connect(hear)
    yield names
    signals.before_task_publish.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_first_message_after_a_preparation_is_as_any_other(
    prepared: Any, signal: Signal, broker: Broker
) -> None:
    (recording,) = prepare(app, prepared)
    assert recording.declare
    assert broker.take() == []
    for number in range(2):
        with transaction.atomic():
            signal.send(None, number=number)
    first, second = broker.take()
    assert [first.kwargs, second.kwargs] == [{"number": 0}, {"number": 1}]
    for published in (first, second):
        id_ = published.message.id
        assert published.headers["id"] == published.headers["root_id"] == id_
        assert published.properties["correlation_id"] == id_
        assert published.headers["argsrepr"] == "(number)"
        assert published.properties["reply_to"] == app.thread_oid
    assert first.headers.keys() == second.headers.keys()


def test_listener_of_celerys_hears_of_no_message_that_was_not_sent(
    prepared: Any, seen: list[str]
) -> None:
    assert prepare(app, prepared) == ()
    assert seen == []


def test_route_of_the_projects_is_not_asked_about_a_message_that_was_not_sent(
    prepared: Any, make_current: MakeCurrent
) -> None:
    asked: list[object] = []
    other = make_current(
        broker_url="memory://", task_routes=(lambda *given, **_: asked.append(given),)
    )
    assert prepare(other, prepared) == ()
    assert asked == []


def test_apply_async_of_the_projects_is_not_called_for_a_message_that_was_not_sent(
    signal: Signal, defer: Connected
) -> None:
    called: list[object] = []

    class Base(Task):  # type: ignore[type-arg]
        def apply_async(self, *args: Any, **options: Any) -> Any:
            called.append(args)

    @defer(signal, name="tests.prepared.base", base=Base)
    def receive(sender: object, **kwargs: object) -> None: ...

    assert prepare(app, registry.get("tests.prepared.base")) == ()
    assert called == []


def test_option_that_depends_on_what_is_sent_is_not_asked_for(
    signal: Signal, defer: Connected
) -> None:
    asked: list[object] = []

    @defer(signal, name=NAME, priority=lambda sender, **kwargs: asked.append(kwargs))
    def receive(sender: object, **kwargs: object) -> None: ...

    assert prepare(app, registry.get(NAME)) == ()
    assert asked == []


def test_queue_of_the_settings_is_what_is_declared(prepared: Any, configure: Any) -> None:
    configure(QUEUE="shop")
    (recording,) = prepare(app, prepared)
    assert [entity.name for entity in recording.declare] == ["shop"]


def test_sender_of_messages_is_made_when_it_is_asked_for(make_current: MakeCurrent) -> None:
    other: Celery = make_current(broker_url="memory://")
    amqp: Any = other.amqp
    assert "send_task_message" not in vars(amqp)
    assert amqp.send_task_message is vars(amqp)["send_task_message"]
    assert current_app.amqp is amqp


def test_line_declares_what_is_awaited_and_publishes_nothing(
    prepared: Any, broker: Broker, configure: Any
) -> None:
    configure(QUEUE="rehearsed")
    line = Line(app)
    line.wake(prepare(app, prepared))
    line.close(5)
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        assert "rehearsed" in channel.queues
    assert broker.take("rehearsed") == []
