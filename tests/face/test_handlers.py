"""What a handler of a lifecycle signal may do with its message: look into it, and send it again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ObjectDoesNotExist, SynchronousOnlyOperation
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.utils import translation

from deferred_signals import (
    DecodeError,
    Deferred,
    DepthExceeded,
    UnknownReceiver,
    decoded,
    events,
    send_again,
)
from deferred_signals.message import Message
from deferred_signals.receivers import registry
from deferred_signals.testing import inline, manual
from tests.app.models import Order
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.fixtures import MakeCurrent
from tests.support.letters import Acting, raises, take_letters
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(signal: Signal, broker: Broker) -> Callable[..., Message]:
    """Send the test's signal, and return the message that left."""

    def sent(sender: object = None, **kwargs: object) -> Message:
        signal.send(sender, **kwargs)
        (published,) = broker.take()
        return published.message

    return sent


@pytest.fixture
def ran(signal: Signal, defer: Connected) -> list[dict[str, Any]]:
    """Collect the kwargs of each call of a receiver of the test's signal."""
    calls: list[dict[str, Any]] = []

    @defer(signal, name="tests.handled")
    def receive(**kwargs: Any) -> None:
        calls.append(kwargs)

    return calls


def test_decoded_kwargs_are_those_that_the_receiver_gets(
    signal: Signal, ran: list[Any], sent: Callable[..., Message]
) -> None:
    order = Order.objects.create(status="new")
    message = sent(Order, order=order, tags={"a", "b"}, at=datetime(2026, 1, 31, tzinfo=UTC))
    Order.objects.update(status="paid")
    kwargs = decoded(message)
    registry.get("tests.handled").function(**kwargs)
    assert kwargs == ran[0] == {
        "signal": signal,
        "sender": Order,
        "order": order,
        "tags": {"a", "b"},
        "at": datetime(2026, 1, 31, tzinfo=UTC),
    }  # fmt: skip
    assert kwargs["order"].status == "paid"


def test_context_is_in_force_while_a_message_is_decoded(
    signal: Signal, defer: Connected, sent: Callable[..., Message]
) -> None:
    def upgrade(version: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {"language": translation.get_language()}

    with translation.override("de"):
        defer(signal, version=2, upgrade=upgrade)(lambda sender, **kwargs: None)
        message = replace(sent(), version=1)
    assert decoded(message)["language"] == "de"


def test_row_that_is_gone_is_the_error_of_its_model(
    ran: list[Any], sent: Callable[..., Message]
) -> None:
    message = sent(order=Order.objects.create(pk=7))
    Order.objects.all().delete()
    with pytest.raises(Order.DoesNotExist, match="primary key 7"):
        decoded(message)


def test_message_that_cannot_be_decoded_is_an_error(
    ran: list[Any], sent: Callable[..., Message]
) -> None:
    message = replace(sent(), kwargs={"a": {"$set": [[]]}})
    with pytest.raises(DecodeError):
        decoded(message)


@pytest.mark.parametrize("do", [decoded, send_again])
def test_receiver_must_be_known(
    ran: list[Any], sent: Callable[..., Message], do: Callable[[Message], object]
) -> None:
    message = replace(sent(), receiver="tests.handlde")
    with pytest.raises(UnknownReceiver, match=r"tests\.handled"):
        do(message)


@pytest.mark.parametrize("do", [decoded, send_again])
def test_what_is_no_message_is_refused_with_the_reason(do: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="receiver_failed brings None"):
        do(None)


def test_message_that_is_sent_again_begins_anew_under_its_id(
    ran: list[Any], sent: Callable[..., Message], broker: Broker
) -> None:
    first = sent(number=1)
    old = replace(first, attempt=3, redeliveries=2, sent_at=first.sent_at - timedelta(days=1))
    assert send_again(old) == Deferred(first.id, "tests.handled")
    (again,) = broker.take()
    assert again.headers["id"] == first.id
    assert again.message == replace(first, sent_at=again.message.sent_at)
    assert again.message.sent_at >= first.sent_at
    assert again.headers["argsrepr"] == "(number)"


def test_message_is_sent_again_with_the_options_of_its_receiver(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    asked = []

    def queue(sender: object, **kwargs: Any) -> str:
        asked.append((sender, kwargs))
        return f"tests_{kwargs['order'].status}"

    defer(signal, queue=queue, priority=3)(lambda sender, **kwargs: None)
    order = Order.objects.create(status="new")
    signal.send(Order, order=order)
    (published,) = broker.take("tests_new")
    Order.objects.update(status="paid")
    send_again(published.message)
    (again,) = broker.take("tests_paid")
    assert again.properties["priority"] == 3
    assert asked == [(Order, {"order": order})] * 2


def test_message_of_an_earlier_name_is_sent_again_under_the_present_one(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal, name="tests.now", aliases=["tests.before"])(lambda sender, **kwargs: None)
    signal.send(None)
    (published,) = broker.take()
    given = send_again(replace(published.message, receiver="tests.before"))
    (again,) = broker.take()
    assert again.task == again.message.receiver == given.receiver == "tests.now"


def test_message_that_is_sent_again_waits_for_the_commit(
    ran: list[Any], sent: Callable[..., Message], broker: Broker
) -> None:
    message = sent()
    with transaction.atomic():
        send_again(message)
        assert broker.take() == []
    assert len(broker.take()) == 1


def test_message_that_is_sent_again_is_dropped_with_its_transaction(
    ran: list[Any], sent: Callable[..., Message], broker: Broker
) -> None:
    message = sent()
    with pytest.raises(LookupError), transaction.atomic():
        send_again(message)
        raise LookupError
    assert broker.take() == []


def test_message_of_a_signal_that_waits_for_no_commit_does_not_wait(
    defer: Connected, broker: Broker
) -> None:
    defer(user_login_failed)(lambda sender, **kwargs: None)
    user_login_failed.send("tests", credentials={}, request=None)
    (published,) = broker.take()
    with transaction.atomic():
        send_again(published.message)
        assert len(broker.take()) == 1


def test_eager_mode_runs_what_is_sent_again(
    ran: list[Any], sent: Callable[..., Message], configure: Callable[..., None]
) -> None:
    message = sent(number=7)
    configure(EAGER=True)
    send_again(message)
    assert [call["number"] for call in ran] == [7]


def test_modes_of_tests_have_what_is_sent_again(
    ran: list[Any], sent: Callable[..., Message], broker: Broker
) -> None:
    message = sent(number=7)
    with inline():
        send_again(message)
    assert [call["number"] for call in ran] == [7]
    with manual() as collected:
        send_again(message)
        (call,) = collected.all_deferred()
    assert (call.id, call.kwargs) == (message.id, {"number": 7})
    assert broker.take() == []


def test_coroutine_is_told_what_to_write(
    ran: list[Any], sent: Callable[..., Message], broker: Broker
) -> None:
    message = sent()

    async def handle() -> None:
        with pytest.raises(SynchronousOnlyOperation, match="sync_to_async"):
            send_again(message)
        await sync_to_async(send_again)(message)

    async_to_sync(handle)()
    assert len(broker.take()) == 1


class Handling:
    """Handlers of lifecycle signals, for the length of a test."""

    def __init__(self) -> None:
        self._connected: list[tuple[Signal, Any]] = []

    def __call__(self, signal: Signal, handler: Any) -> None:
        signal.connect(handler, weak=False)
        self._connected.append((signal, handler))

    def end(self) -> None:
        for signal, handler in self._connected:
            signal.disconnect(handler)


@pytest.fixture
def handle() -> Any:
    handling = Handling()
    yield handling
    handling.end()


def test_handler_of_a_failure_may_send_again(
    signal: Signal, defer: Connected, broker: Broker, handle: Handling
) -> None:
    seen = []
    acting = Acting({7: raises(ConnectionError())})

    def again(message: Message, **kwargs: object) -> None:
        acting.does.clear()
        seen.append((decoded(message)["number"], send_again(message)))

    handle(events.receiver_failed, again)
    defer(signal, retry=None)(acting)
    signal.send(None, number=7)
    (letter,) = take_letters()
    assert letter.deliver() == "FAILURE"
    (second,) = take_letters()
    assert second.headers["id"] == letter.headers["id"]
    assert second.deliver() == "SUCCESS"
    assert (acting.ran, [number for number, _ in seen]) == ([7, 7], [7])


def test_failure_that_is_sent_again_for_ever_ends_where_it_runs_at_once(
    signal: Signal, defer: Connected, handle: Handling, configure: Callable[..., None]
) -> None:
    configure(EAGER=True, EAGER_PROPAGATES=False, MAX_DEPTH=4)
    acting, refused = Acting({7: raises(ConnectionError())}), []

    def again(message: Message, **kwargs: object) -> None:
        try:
            send_again(message)
        except DepthExceeded as error:
            refused.append(str(error))
            raise

    handle(events.receiver_failed, again)
    defer(signal, retry=None)(acting)
    signal.send(None, number=7)
    assert len(acting.ran) == 5
    assert len(refused) == 1
    assert "Does a handler send again whatever fails?" in refused[0]


def test_message_that_is_lost_and_sent_again_at_once_reaches_no_sender_as_an_error(
    signal: Signal,
    defer: Connected,
    handle: Handling,
    make_current: MakeCurrent,
    configure: Callable[..., None],
) -> None:
    configure(MAX_DEPTH=4)
    lost = []

    def route(*args: object, **kwargs: object) -> None:
        raise LookupError("no route")

    def again(messages: tuple[Message, ...], **kwargs: object) -> None:
        for message in messages:
            lost.append(message.id)
            send_again(message)

    make_current(broker_url="memory://", task_routes=[route])
    handle(events.publish_failed, again)
    defer(signal)(lambda sender, **kwargs: None)
    signal.send(None)
    assert 1 <= len(lost) <= 5
    assert len(set(lost)) == 1


def test_start_tells_how_long_a_message_waited(
    ran: list[Any], sent: Callable[..., Message], lifecycle: Lifecycle, signal: Signal
) -> None:
    signal.send(None)
    (letter,) = take_letters()
    letter.deliver()
    (told,) = lifecycle.of("receiver_started")
    assert 0 <= told["waited"] < 60


def test_missing_row_is_told_as_django_tells_it(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=User)(lambda sender, **kwargs: None)
    user = User.objects.create_user("ada")
    (published,) = broker.take()
    user.delete()
    with pytest.raises(ObjectDoesNotExist):
        decoded(published.message)
