"""`connect()`, the decorator as a call, and lists of senders."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, connect, receiver
from deferred_signals.receivers import registry
from tests.app.models import Label, Order, PaidOrder
from tests.support.callables import Service, count, plain, service
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Disconnect what a test connects."""
    before = list(registry.all_receivers())
    yield
    for found in list(registry.all_receivers()):
        if found not in before:
            registry.discard(found)


@pytest.mark.parametrize(
    "function", [plain, service.method, Service.of_the_class, Service.static, service]
)
def test_connect_defers_and_gives_the_function_back(function: Any, signal: Signal) -> None:
    assert connect(signal, function) is function
    assert len(deferred(signal.send(None))) == 1
    assert signal.disconnect(function)


def test_connect_takes_the_options_of_the_decorator(signal: Signal) -> None:
    connect([signal, Signal()], plain, name="tests.called", sender=Order, queue="slow")
    assert registry.get("tests.called").options.queue == "slow"
    assert (count(signal, Order), count(signal, Label)) == (1, 0)


def test_connect_and_decorator_are_one(signal: Signal) -> None:
    connect(signal, plain, retry=None)
    receiver(signal, deferred=True, retry=None)(plain)
    assert count(signal) == 1


def test_function_of_another_module_has_the_name_of_that_module(signal: Signal) -> None:
    connect(signal, plain)
    assert registry.get("tests.support.callables.plain").function is plain


def test_connect_without_deferring_is_django_s(signal: Signal) -> None:
    assert connect(signal, plain, deferred=False, dispatch_uid="x") is plain
    assert signal.send(None) == [(plain, None)]
    assert signal.disconnect(dispatch_uid="x")
    with pytest.raises(TypeError, match="add deferred=True"):
        connect(signal, plain, deferred=False, queue="slow")  # type: ignore[call-overload]


def test_connect_refuses_what_is_not_callable(signal: Signal) -> None:
    with pytest.raises(InvalidReceiver, match="must be callable, got None"):
        connect(signal, None)  # type: ignore[call-overload]


class WithStatic:
    """Has a static method that is decorated inside the class."""

    heard = Signal()

    @receiver(heard, deferred=True)
    @staticmethod
    def static(sender: object, **kwargs: object) -> None: ...


def test_static_method_may_be_decorated_inside_its_class() -> None:
    heard = WithStatic.heard
    connect(heard, vars(WithStatic)["static"])
    (sent,) = deferred(heard.send(None))
    assert sent.receiver == f"{__name__}.WithStatic.static"
    assert heard.disconnect(WithStatic.static)
    assert heard.send(None) == []
    assert connect(heard, vars(WithStatic)["static"])


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, iter])
def test_each_sender_of_a_list_is_heard_and_no_other(kind: Any, signal: Signal) -> None:
    senders = (item for item in (Order, Label)) if kind is iter else kind([Order, Label])
    connect(signal, plain, name="tests.senders", sender=senders)
    assert [count(signal, sender) for sender in (Order, Label, PaidOrder, None)] == [1, 1, 0, 0]


def test_decorator_with_a_generator_of_senders_may_be_used_again(signal: Signal) -> None:
    decorate = receiver(signal, deferred=True, sender=(item for item in (Order, Label)))
    for function in (plain, service):
        decorate(function)
    assert [count(signal, sender) for sender in (Order, Label)] == [2, 2]


def test_sender_named_twice_is_heard_once(signal: Signal) -> None:
    connect(signal, plain, name="tests.senders", sender=[Order, Label, Order])
    connect(signal, plain, name="tests.senders", sender=[Label])
    assert [count(signal, sender) for sender in (Order, Label)] == [1, 1]


def test_disconnect_of_one_sender_of_a_list_leaves_the_others(signal: Signal) -> None:
    connect(signal, plain, sender=[Order, Label])
    assert not signal.disconnect(plain)
    assert signal.disconnect(plain, sender=Order)
    assert [count(signal, sender) for sender in (Order, Label)] == [0, 1]


def test_senders_of_a_list_are_connections_of_their_own(signal: Signal) -> None:
    other = Signal()
    connect([signal, other], plain, name="tests.senders", sender=[Order, "me"], dispatch_uid="x")
    connections = registry.get("tests.senders").connections
    assert [tuple(item) for item in connections] == [
        (signal, Order, "x"),
        (signal, "me", "x"),
        (other, Order, "x"),
        (other, "me", "x"),
    ]
    signal.disconnect(sender=Order, dispatch_uid="x")
    assert len(registry.get("tests.senders").connections) == 3


def test_lazy_senders_of_a_list_are_heard() -> None:
    signal = ModelSignal()
    connect(signal, plain, name="tests.senders", sender=["tests_app.Order", Label])
    assert [count(signal, sender) for sender in (Order, Label, PaidOrder)] == [1, 1, 0]


def test_lazy_sender_of_a_list_may_be_still_to_come() -> None:
    signal = ModelSignal()
    connect(signal, plain, name="tests.senders", sender=["tests_app.NeverMade", Label])
    assert [sender for _, sender, _ in registry.get("tests.senders").connections] == [
        "tests_app.NeverMade",
        Label,
    ]
    waiting = apps._pending_operations  # noqa: SLF001 - Django has no way to let the model come
    for operation in waiting.pop(("tests_app", "nevermade")):
        operation(PaidOrder)
    assert [count(signal, sender) for sender in (Order, Label, PaidOrder)] == [0, 1, 1]


def test_any_object_may_be_a_sender_of_a_list(signal: Signal) -> None:
    sender = object()
    connect(signal, plain, name="tests.senders", sender=[sender, None.__class__, "text"])
    assert count(signal, sender) == 1
