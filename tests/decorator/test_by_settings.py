"""Receivers of other packages, which the setting `DEFER` names."""

import gc
from typing import Any

import pytest
from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal
from django.dispatch import receiver as djangos_receiver

from deferred_signals.receivers import foreign, registry
from deferred_signals.testing import inline, manual
from tests.app.models import Label, Order, PaidOrder
from tests.support.by_settings import BySettings
from tests.support.callables import Service, count, plain, service
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db

PLAIN = "tests.support.callables.plain"
HERE = f"{__name__}."
got: list[object] = []


def answer(sender: object, **kwargs: object) -> str:
    """Answer the sender."""
    return "ran"


async def wait(sender: object, **kwargs: object) -> None:
    """Be async."""
    got.append(kwargs["number"])


def note(sender: object, number: int, **kwargs: object) -> None:
    """Note what came."""
    got.append(number)


@pytest.fixture(autouse=True)
def nothing_got() -> None:
    got.clear()


def test_receiver_with_an_entry_is_deferred(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    signal.connect(plain)
    (sent,) = deferred(signal.send(None))
    assert sent.receiver == PLAIN
    assert registry.get(PLAIN).function is plain


def test_receiver_without_an_entry_is_djangos(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    signal.connect(answer)
    assert signal.send(None) == [(answer, "ran")]


def test_decorator_of_django_is_seen_too(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    assert djangos_receiver([signal], sender=Order)(plain) is plain
    assert [count(signal, sender) for sender in (Order, Label)] == [1, 0]


def test_options_of_an_entry_are_those_of_the_receiver(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {"queue": "slow", "snapshot": ["instance_before"], "name": "tests.named"}})
    signal.connect(plain)
    found = registry.get("tests.named").options
    assert (found.queue, found.snapshot) == ("slow", frozenset({"instance_before"}))


@pytest.mark.parametrize("function", [note, wait])
def test_receiver_runs_with_what_was_sent(
    function: Any, signal: Signal, by_settings: BySettings
) -> None:
    by_settings({f"{HERE}{function.__name__}": {}})
    signal.connect(function)
    with inline():
        signal.send(None, number=7)
    assert got == [7]


def test_tests_name_the_plain_function(signal: Signal, by_settings: BySettings) -> None:
    by_settings({f"{HERE}note": {"name": "tests.noted"}})
    signal.connect(note)
    with manual() as messages:
        signal.send(None, number=7)
        messages.assert_deferred(note, number=7)
        messages.run_deferred()
    assert got == [7]


def test_entry_may_ask_for_durable_delivery(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {"durable": True}})
    signal.connect(plain)
    with manual() as messages:
        signal.send(None)
        messages.assert_deferred(plain, durable=True)
        messages.run_deferred()


@pytest.mark.parametrize(
    ("function", "path", "options"),
    [
        (service.method, "Service.method", {}),
        (Service.of_the_class, "Service.of_the_class", {}),
        (Service.static, "Service.static", {}),
        (service, "Service", {}),
        (Service().method, "Service.method", {"name": "tests.of_any_object"}),
    ],
)
def test_callable_of_any_kind_is_found_by_its_module_and_qualname(
    function: Any, path: str, options: dict[str, Any], signal: Signal, by_settings: BySettings
) -> None:
    by_settings({f"tests.support.callables.{path}": options})
    signal.connect(function)
    assert count(signal) == 1
    assert signal.disconnect(function)
    assert signal.send(None) == []


@pytest.mark.parametrize(
    ("given", "of"),
    [
        ({}, {}),
        ({"sender": Order}, {"sender": Order}),
        ({"dispatch_uid": "mine"}, {"dispatch_uid": "mine"}),
        ({"sender": Order, "dispatch_uid": "mine", "weak": False}, {"dispatch_uid": "mine"}),
    ],
)
def test_package_disconnects_as_it_has_connected(
    given: dict[str, Any], of: dict[str, Any], signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {}})
    for _ in range(3):
        signal.connect(plain, **given)
        assert count(signal, Order) == 1
        where = {"sender": given.get("sender"), **of}
        assert signal.disconnect(plain, **where)
        assert signal.send(Order) == []


def test_arguments_may_be_positional(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    signal.connect(plain, Order, False, "mine")  # noqa: FBT003 - this is what the test is about
    assert [tuple(item) for item in registry.get(PLAIN).connections] == [(signal, Order, "mine")]


def test_one_function_with_many_signals_and_senders_is_one_receiver(
    signal: Signal, by_settings: BySettings
) -> None:
    other = Signal()
    by_settings({PLAIN: {}})
    for one in (signal, other, signal):
        for sender in (Order, Label):
            one.connect(plain, sender=sender)
    assert len(registry.get(PLAIN).connections) == 4
    assert [count(one, sender) for one in (signal, other) for sender in (Order, Label)] == [1] * 4


def test_lazy_sender_is_heard(by_settings: BySettings) -> None:
    signal = ModelSignal()
    by_settings({PLAIN: {}})
    signal.connect(plain, sender="tests_app.Order")
    assert [count(signal, sender) for sender in (Order, PaidOrder)] == [1, 0]
    signal.disconnect(plain, sender="tests_app.Order")
    assert count(signal, Order) == 0


def test_lazy_sender_is_heard_when_its_model_is_loaded(by_settings: BySettings) -> None:
    signal = ModelSignal()
    by_settings({PLAIN: {}})
    signal.connect(plain, sender="tests_app.StillToCome")
    assert registry.find(PLAIN) is None
    waiting = apps._pending_operations  # noqa: SLF001 - Django has no way to let the model come
    for operation in waiting.pop(("tests_app", "stilltocome")):
        operation(PaidOrder)
    assert [count(signal, sender) for sender in (Order, PaidOrder)] == [0, 1]


def test_weak_receiver_goes_with_its_function(signal: Signal, by_settings: BySettings) -> None:
    def local(sender: object, **kwargs: object) -> None: ...

    by_settings({foreign.path_of(local): {"name": "tests.local"}})
    signal.connect(local)
    gc.collect()
    assert count(signal) == 1
    del local
    gc.collect()
    assert signal.send(None) == []
    assert registry.find("tests.local") is None


def test_receiver_that_is_not_weak_stays(signal: Signal, by_settings: BySettings) -> None:
    def local(sender: object, **kwargs: object) -> None: ...

    by_settings({foreign.path_of(local): {"name": "tests.local"}})
    signal.connect(local, weak=False)
    del local
    gc.collect()
    assert count(signal) == 1


class Calling(Signal):
    """Has a `connect()` of its own, which calls Django's."""

    calls = 0

    def connect(self, *args: Any, **kwargs: Any) -> None:
        super().connect(*args, **kwargs)
        self.calls += 1


def test_signal_that_calls_djangos_connect_is_seen(by_settings: BySettings) -> None:
    signal = Calling()
    by_settings({PLAIN: {}})
    signal.connect(plain)
    assert count(signal) == 1


def test_forgotten_receiver_may_be_connected_again(signal: Signal, by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    signal.connect(plain)
    registry.get(PLAIN).forget()
    assert signal.send(None) == []
    signal.connect(plain)
    assert count(signal) == 1
