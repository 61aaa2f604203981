"""Django's own ways on which the wrapper of `Signal.connect` relies."""

import inspect
from typing import Any

from django.apps import apps
from django.apps.registry import Apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal
from django.dispatch import receiver as djangos_receiver

from deferred_signals.receivers.naming import _CONNECTING
from tests.app.models import Order
from tests.support.callables import plain
from tests.support.other_package import First


class Noting(Signal):
    """Notes what its method of connecting is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[object, ...]] = []

    def connect(
        self,
        receiver: object,
        sender: object = None,
        weak: Any = True,  # noqa: FBT002 - Django's own signature
        dispatch_uid: object = None,
    ) -> None:
        self.calls.append((receiver, sender, weak, dispatch_uid))


class NotingModel(ModelSignal, Noting):  # type: ignore[misc]  # as Django's own two differ
    """The same, where `ModelSignal` expects its base."""


def test_arguments_of_connect_are_these() -> None:
    parameters = inspect.signature(Signal.connect).parameters.values()
    assert [(item.name, item.default) for item in parameters] == [
        ("self", inspect.Parameter.empty),
        ("receiver", inspect.Parameter.empty),
        ("sender", None),
        ("weak", True),
        ("dispatch_uid", None),
    ]


def test_decorator_calls_the_method_of_the_signal() -> None:
    signal = Noting()
    djangos_receiver(signal, sender=Order, dispatch_uid="mine")(plain)
    assert signal.calls == [(plain, Order, True, "mine")]


def test_signal_of_models_calls_its_base_with_the_model() -> None:
    signal = NotingModel()
    signal.connect(plain, sender=Order)
    signal.connect(plain, sender="tests_app.Order", weak=False)
    assert signal.calls == [(plain, Order, True, None), (plain, Order, False, None)]


def test_signal_of_models_waits_for_a_model_that_is_not_loaded() -> None:
    signal = NotingModel()
    signal.connect(plain, sender="tests_app.NotYet")
    assert signal.calls == []
    waiting = apps._pending_operations  # noqa: SLF001 - Django has no way to let the model come
    for operation in waiting.pop(("tests_app", "notyet")):
        operation(Order)
    assert signal.calls == [(plain, Order, True, None)]


def test_django_connects_for_others_in_these_modules() -> None:
    modules = {
        function.__module__
        for function in (djangos_receiver, ModelSignal.connect, apps.lazy_model_operation)
    }
    assert modules == _CONNECTING


def test_all_apps_are_made_before_the_first_is_ready() -> None:
    First.made.clear()
    Apps([f"tests.support.other_package.{name}" for name in ("First", "Second")])
    assert First.made == ["made", "made", "ready", "ready"]
