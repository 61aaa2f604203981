"""Without `deferred=True`, `receiver` is `django.dispatch.receiver`: one contract for both."""

import gc
from collections.abc import Callable
from typing import Any

import django.dispatch
import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

import deferred_signals
from tests.app.models import Label, Order

Decorator = Callable[..., Callable[[Any], Any]]


@pytest.fixture(
    params=[
        pytest.param(django.dispatch.receiver, id="django"),
        pytest.param(deferred_signals.receiver, id="ours"),
        pytest.param(
            lambda signal, **options: deferred_signals.receiver(signal, deferred=False, **options),
            id="ours, said aloud",
        ),
    ]
)
def receiver(request: pytest.FixtureRequest) -> Decorator:
    """Run the test with Django's decorator, and with ours."""
    decorator: Decorator = request.param
    return decorator


def test_function_is_returned_as_it_is(receiver: Decorator, signal: Signal) -> None:
    def receive(**kwargs: object) -> None: ...

    assert receiver(signal)(receive) is receive


def test_receiver_is_called_in_send_and_its_value_given_back(
    receiver: Decorator, signal: Signal
) -> None:
    got: dict[str, object] = {}

    @receiver(signal)
    def receive(sender: object, **kwargs: object) -> str:
        got.update(kwargs, sender=sender)
        return "value"

    value = object()
    assert signal.send("me", value=value) == [(receive, "value")]
    assert got == {"signal": signal, "sender": "me", "value": value}


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_signals(receiver: Decorator, kind: type) -> None:
    signals = [Signal(), Signal()]
    got = []

    @receiver(kind(signals))
    def receive(signal: Signal, **kwargs: object) -> None:
        got.append(signal)

    for signal in signals:
        signal.send(None)
    assert got == signals


def test_decorators_stack(receiver: Decorator) -> None:
    first, second = Signal(), Signal()
    got = []

    @receiver(first)
    @receiver(second)
    def receive(signal: Signal, **kwargs: object) -> None:
        got.append(signal)

    second.send(None)
    first.send(None)
    assert got == [second, first]


def test_sender_is_the_only_one_heard(receiver: Decorator, signal: Signal) -> None:
    got = []

    @receiver(signal, sender=Order)
    def receive(sender: type, **kwargs: object) -> None:
        got.append(sender)

    signal.send(Label)
    signal.send(Order)
    assert got == [Order]


def test_lazy_sender_of_a_model_signal(receiver: Decorator) -> None:
    signal = ModelSignal()
    got = []

    @receiver(signal, sender="tests_app.Order")
    def receive(sender: type, **kwargs: object) -> None:
        got.append(sender)

    signal.send(Label)
    signal.send(Order)
    assert got == [Order]


def test_lazy_sender_of_a_model_that_is_still_to_come(receiver: Decorator) -> None:
    signal = ModelSignal()

    @receiver(signal, sender="tests_app.NeverMade")
    def receive(**kwargs: object) -> None: ...

    assert signal.send(Order) == []
    waiting = apps._pending_operations  # noqa: SLF001 - Django has no way to take one back
    assert waiting.pop(("tests_app", "nevermade"))


def test_lazy_sender_of_another_signal_is_just_a_text(receiver: Decorator, signal: Signal) -> None:
    sender = "tests_app.Order"

    @receiver(signal, sender=sender)
    def receive(**kwargs: object) -> str:
        return "heard"

    assert signal.send(Order) == []
    assert signal.send(sender) == [(receive, "heard")]


def test_one_dispatch_uid_is_one_connection(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal, dispatch_uid="only once")
    def first(**kwargs: object) -> str:
        return "first"

    @receiver(signal, dispatch_uid="only once")
    def second(**kwargs: object) -> str:
        return "second"

    assert signal.send(None) == [(first, "first")]
    assert signal.disconnect(dispatch_uid="only once")
    assert signal.send(None) == []


def test_receiver_dies_with_its_function(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal)
    def receive(**kwargs: object) -> None: ...

    assert signal.has_listeners()
    del receive
    gc.collect()
    assert signal.send(None) == []


def test_receiver_that_is_not_weak_lives_on(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal, weak=False)
    def receive(**kwargs: object) -> None: ...

    del receive
    gc.collect()
    assert len(signal.send(None)) == 1


def test_async_receiver_is_awaited(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal)
    async def receive(**kwargs: object) -> str:
        return "awaited"

    assert signal.send(None) == [(receive, "awaited")]
    assert async_to_sync(signal.asend)(None) == [(receive, "awaited")]


def test_disconnect_finds_the_function(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal)
    def receive(**kwargs: object) -> None: ...

    assert signal.disconnect(receive)
    assert not signal.disconnect(receive)
    assert signal.send(None) == []


def test_error_reaches_the_sender(receiver: Decorator, signal: Signal) -> None:
    @receiver(signal)
    def receive(**kwargs: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        signal.send(None)
    ((_, error),) = signal.send_robust(None)
    assert isinstance(error, LookupError)


def test_unknown_option_is_a_type_error(receiver: Decorator, signal: Signal) -> None:
    with pytest.raises(TypeError, match="wrong"):

        @receiver(signal, wrong=True)
        def receive(**kwargs: object) -> None: ...

    assert not signal.has_listeners()


def test_callable_object_is_connected(receiver: Decorator, signal: Signal) -> None:
    class Receive:
        def __call__(self, **kwargs: object) -> str:
            return "called"

    receive = receiver(signal)(Receive())
    assert signal.send(None) == [(receive, "called")]


def test_function_without_kwargs_is_accepted_where_django_accepts_it(
    receiver: Decorator, signal: Signal
) -> None:
    @receiver(signal)
    def receive(signal: Signal, sender: object) -> str:
        return "called"

    assert signal.send(None) == [(receive, "called")]


def test_debug_mode_looks_at_the_signature(
    receiver: Decorator, signal: Signal, settings: Any
) -> None:
    settings.DEBUG = True
    with pytest.raises(ValueError, match=r"\*\*kwargs"):

        @receiver(signal)
        def receive(sender: object) -> None: ...
