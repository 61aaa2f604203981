"""What happens in `send()`: what is asked, left out, added, refused, and given back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.signals import got_request_exception
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import Deferred, MessageTooLarge, SerializationError, changed
from tests.app.models import Label, Order
from tests.app.signals import order_placed
from tests.support.broker import Broker
from tests.support.connected import Connected, deferred
from tests.support.numbers import Numbers

pytestmark = pytest.mark.django_db(transaction=True)


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def test_send_gives_what_was_deferred(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(signal, name="tests.named")(receive)
    (given,) = deferred(signal.send(None))
    (published,) = broker.take()
    assert given == Deferred(id=published.message.id, receiver="tests.named")
    assert published.headers["id"] == published.message.id


def test_send_robust_gives_it_too(signal: Signal, defer: Connected) -> None:
    defer(signal)(receive)
    ((_, deferred),) = signal.send_robust(None)
    assert isinstance(deferred, Deferred)


def test_send_robust_gives_the_error_of_what_cannot_travel(
    signal: Signal, defer: Connected
) -> None:
    defer(signal)(receive)
    ((_, error),) = signal.send_robust(None, value=object())
    assert isinstance(error, SerializationError)


def test_error_names_signal_receiver_path_type_and_the_ways_out(
    defer: Connected, signal: Signal
) -> None:
    defer(signal, name="tests.named")(receive)
    with pytest.raises(SerializationError) as caught:
        signal.send(None, order={"lines": [{"gift": {1: object()}}]})
    for part in (
        "tests.named",
        "order['lines'][0]['gift'][1]",
        "builtins.object",
        "exclude=('order',)",
        "capture=",
    ):
        assert part in str(caught.value)


def test_error_names_a_modules_signal_by_its_path(defer: Connected) -> None:
    defer(order_placed)(receive)
    with pytest.raises(SerializationError, match=r"tests\.app\.signals\.order_placed"):
        order_placed.send(None, value=object())


def test_excluded_kwarg_stays_behind(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(signal, exclude=["request"])(receive)
    signal.send(None, request=object(), number=1)
    (published,) = broker.take()
    assert published.kwargs == {"number": 1}


def test_what_capture_gives_joins_the_kwargs(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    def capture(sender: object, number: int, **kwargs: object) -> dict[str, Any]:
        return {"number": number + 1, "sender_was": str(sender)}

    defer(signal, capture=capture)(receive)
    signal.send("me", number=1)
    (published,) = broker.take()
    assert published.kwargs == {"number": 2, "sender_was": "me"}


@pytest.mark.django_db(transaction=True)
def test_excluded_changes_stay_behind(defer: Connected, broker: Broker) -> None:
    defer(post_save, sender=Order, when=changed("status"), exclude=("changes",))(receive)
    Order.objects.create(status="new")
    (published,) = broker.take()
    assert "changes" not in published.kwargs


@pytest.mark.django_db(transaction=True)
def test_exception_that_is_excluded_stays_behind(defer: Connected, broker: Broker) -> None:
    defer(got_request_exception, opt_in=True, exclude=("exception",))(receive)
    got_request_exception.send(None, request=None)
    (published,) = broker.take()
    assert published.kwargs == {"request": None}


def test_capture_sees_what_is_excluded(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(
        signal,
        exclude=("request",),
        capture=lambda sender, request, **kwargs: {"path": request.path},
    )(receive)

    class Request:
        path = "/here/"

    signal.send(None, request=Request())
    (published,) = broker.take()
    assert published.kwargs == {"path": "/here/"}


@pytest.mark.parametrize("captured", [None, 3, ["a"], {"sender": 1}, {"signal": 1}])
def test_capture_must_give_kwargs(signal: Signal, defer: Connected, captured: object) -> None:
    defer(signal, capture=lambda sender, **kwargs: captured)(receive)
    with pytest.raises(SerializationError, match="capture="):
        signal.send(None)


@pytest.mark.parametrize(("answer", "count"), [(True, 1), (1, 1), (False, 0), (None, 0), ("", 0)])
def test_when_decides(
    signal: Signal, defer: Connected, broker: Broker, answer: object, count: int
) -> None:
    defer(signal, when=lambda sender, **kwargs: answer)(receive)
    ((_, deferred),) = signal.send(None)
    assert bool(deferred) is bool(count)
    assert len(broker.take()) == count


def test_when_is_asked_before_anything_is_encoded(signal: Signal, defer: Connected) -> None:
    asked = []

    def when(sender: object, **kwargs: object) -> bool:
        kwargs.pop("signal", None)
        asked.append((sender, kwargs))
        return False

    defer(signal, when=when)(receive)
    value = object()
    signal.send("me", value=value, password="x")
    assert asked == [("me", {"value": value, "password": "x"})]


@pytest.mark.parametrize("name", ["password", "api_key", "refresh_token"])
def test_kwarg_named_like_a_secret_is_refused(signal: Signal, defer: Connected, name: str) -> None:
    defer(signal)(receive)
    with pytest.raises(SerializationError) as caught:
        signal.send(None, **{name: "swordfish"})
    assert name in str(caught.value)
    assert "swordfish" not in str(caught.value)


def test_captured_kwarg_named_like_a_secret_is_refused(signal: Signal, defer: Connected) -> None:
    defer(signal, capture=lambda sender, **kwargs: {"secret": 1})(receive)
    with pytest.raises(SerializationError, match="secret"):
        signal.send(None)


def test_excluded_secret_is_no_error(signal: Signal, defer: Connected, broker: Broker) -> None:
    defer(signal, exclude=("password",))(receive)
    signal.send(None, password="swordfish", passwords_count=2)
    (published,) = broker.take()
    assert published.kwargs == {"passwords_count": 2}


def test_project_decides_which_names_are_secrets(
    signal: Signal, defer: Connected, broker: Broker, configure: Callable[..., None]
) -> None:
    defer(signal)(receive)
    configure(SENSITIVE=())
    signal.send(None, password="known to all")
    (published,) = broker.take()
    assert published.kwargs == {"password": "known to all"}


def test_message_may_be_as_large_as_the_limit_and_no_larger(
    signal: Signal, defer: Connected, broker: Broker, configure: Callable[..., None]
) -> None:
    defer(signal)(receive)
    signal.send(None, text="")
    (empty,) = broker.take()
    configure(MAX_MESSAGE_BYTES=2048)
    # The moment of the send is written with up to six digits after the point.
    room = 2048 - len(empty.message.to_wire()) - 8
    signal.send(None, text="x" * room)
    with pytest.raises(MessageTooLarge, match="MAX_MESSAGE_BYTES is 2048"):
        signal.send(None, text="x" * (room + 16))
    assert len(broker.take()) == 1


def test_fixtures_are_not_deferred(defer: Connected, broker: Broker, tmp_path: Any) -> None:
    defer(post_save, sender=Label)(receive)
    fixture = tmp_path / "labels.json"
    fixture.write_text('[{"model": "tests_app.label", "pk": "new", "fields": {}}]')
    call_command("loaddata", str(fixture), verbosity=0)
    assert Label.objects.exists()
    assert broker.take() == []


def test_fixtures_are_deferred_where_asked_for(
    defer: Connected, broker: Broker, tmp_path: Any
) -> None:
    defer(post_save, sender=Label, raw=True)(receive)
    fixture = tmp_path / "labels.json"
    fixture.write_text('[{"model": "tests_app.label", "pk": "new", "fields": {}}]')
    call_command("loaddata", str(fixture), verbosity=0)
    (published,) = broker.take()
    assert published.kwargs["raw"] is True


def test_custom_signal_may_have_a_raw_of_its_own(numbers: Numbers) -> None:
    numbers.send(1, raw=True)
    assert numbers.published == [1]


def test_receiver_called_by_hand_runs_here_and_now(signal: Signal, defer: Connected) -> None:
    calls = []

    @defer(signal)
    def record(sender: object, **kwargs: object) -> str:
        calls.append((sender, kwargs))
        return "done"

    assert record("me", number=1) == "done"
    assert calls == [("me", {"number": 1})]
