"""`receiver(..., deferred=True)`: what is connected, how it is disconnected, and what is refused."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal
from pytest_django import Settings

from deferred_signals import receiver
from deferred_signals.receivers import registry
from tests.app.models import Label, Order
from tests.support.broker import Broker
from tests.support.callables import Service, count, plain, service
from tests.support.connected import Connected

pytestmark = pytest.mark.django_db


CALLABLES = [plain, service.method, Service.of_the_class, Service.static, service]
IDS = ["function", "method", "classmethod", "staticmethod", "object"]


@pytest.mark.parametrize("function", CALLABLES, ids=IDS)
def test_callable_is_returned_as_it_is(
    function: Callable[..., Any], signal: Signal, defer: Connected
) -> None:
    assert defer(signal)(function) is function


@pytest.mark.parametrize("function", CALLABLES, ids=IDS)
def test_connecting_twice_is_harmless(
    function: Callable[..., Any], signal: Signal, defer: Connected
) -> None:
    for _ in range(2):
        defer(signal, name="tests.same")(function)
    assert count(signal) == 1


@pytest.mark.parametrize(
    ("get", "name"),
    [(lambda: service.method, "tests.method"), (lambda: Service.of_the_class, "tests.class")],
)
def test_disconnect_finds_a_bound_method(
    get: Callable[[], Any], name: str, signal: Signal, defer: Connected
) -> None:
    defer(signal, name=name)(get())
    assert signal.disconnect(get())
    assert count(signal) == 0


@pytest.mark.parametrize("function", CALLABLES, ids=IDS)
def test_disconnect_of_one_sender_leaves_the_others(
    function: Callable[..., Any], signal: Signal, defer: Connected
) -> None:
    for sender in (Order, Label):
        defer(signal, sender=sender, name="tests.both")(function)
    assert not signal.disconnect(function)
    assert signal.disconnect(function, sender=Order)
    assert (count(signal, Order), count(signal, Label)) == (0, 1)


def test_disconnect_finds_a_dispatch_uid(signal: Signal, defer: Connected) -> None:
    defer(signal, dispatch_uid="mine")(plain)
    assert not signal.disconnect(plain)
    assert signal.disconnect(dispatch_uid="mine")
    assert count(signal) == 0


def test_one_function_and_many_signals_are_one_task(defer: Connected, broker: Broker) -> None:
    signals = [Signal(), Signal(), Signal()]
    defer(signals[:2], name="tests.shared")(plain)
    defer(signals[2], name="tests.shared")(plain)
    assert [count(signal) for signal in signals] == [1, 1, 1]
    names = [found.name for found in registry.all_receivers()]
    assert names.count("tests.shared") == 1


def test_stack_of_decorators_is_one_task_with_many_connections(defer: Connected) -> None:
    first, second = Signal(), Signal()

    @defer(first, name="tests.stack", sender=Order)
    @defer(first, name="tests.stack", sender=Label)
    @defer(second, name="tests.stack")
    def receive(sender: object, **kwargs: object) -> None: ...

    assert count(first, Order) == count(first, Label) == count(second) == 1
    assert count(first) == 0


def test_connected_callable_looks_like_the_receiver(signal: Signal, defer: Connected) -> None:
    defer(signal)(plain)
    connected: Any
    ((connected, _),) = signal.send(None)
    assert connected.__module__ == plain.__module__
    assert connected.__name__ == connected.__qualname__ == "plain"
    assert connected.__doc__ == "Say nothing."
    assert connected.__wrapped__ is plain


def test_connected_callable_of_an_object_looks_like_its_class(
    signal: Signal, defer: Connected
) -> None:
    defer(signal)(service)
    connected: Any
    ((connected, _),) = signal.send(None)
    assert (connected.__module__, connected.__name__) == (Service.__module__, "Service")
    assert connected.__wrapped__ is service


def test_connected_callable_is_sync_though_the_receiver_is_async(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal)
    async def receive(sender: object, **kwargs: object) -> None: ...

    assert [is_async for *_, is_async in signal.receivers] == [False]


def test_receiver_dies_with_its_function(signal: Signal) -> None:
    @receiver(signal, deferred=True, name="tests.short_lived")
    def receive(sender: object, **kwargs: object) -> None: ...

    assert count(signal) == 1
    del receive
    gc.collect()
    assert signal.send(None) == []
    assert registry.find("tests.short_lived") is None


def test_bound_method_dies_with_its_object(signal: Signal) -> None:
    mortal = Service()
    receiver(signal, deferred=True, name="tests.mortal")(mortal.method)
    assert count(signal) == 1
    del mortal
    gc.collect()
    assert signal.send(None) == []
    assert registry.find("tests.mortal") is None


def test_object_and_class_that_die_together_die_quietly(signal: Signal) -> None:
    class Mortal:
        def __init__(self) -> None:
            self.me = self

        def method(self, sender: object, **kwargs: object) -> None: ...

    receiver(signal, deferred=True, name="tests.mortal")(Mortal().method)
    del Mortal
    gc.collect()
    assert signal.send(None) == []


def test_receiver_that_is_not_weak_lives_on(signal: Signal) -> None:
    @receiver(signal, deferred=True, name="tests.strong", weak=False)
    def receive(sender: object, **kwargs: object) -> None: ...

    del receive
    gc.collect()
    try:
        assert count(signal) == 1
    finally:
        registry.discard(registry.get("tests.strong"))


def test_debug_mode_accepts_what_is_connected(
    signal: Signal, defer: Connected, settings: Settings
) -> None:
    settings.DEBUG = True
    for function in CALLABLES:
        defer(signal)(function)
    assert count(signal) == len(CALLABLES)


def test_lambda_with_a_name_is_accepted(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.of_a_lambda")(lambda sender, **kwargs: None)
    assert count(signal) == 1


def test_lazy_sender_is_heard(defer: Connected) -> None:
    defer(post_save, sender="tests_app.Label", name="tests.lazy")(plain)
    heard = [connected for connected, _ in post_save.send(Label, instance=None, raw=True)]
    assert any(getattr(found, "name", None) == "tests.lazy" for found in heard)
