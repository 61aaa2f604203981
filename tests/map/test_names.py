"""Callables and senders of any kind have a name, and a place where they are in the code."""

import functools
import inspect
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import shared_task
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models.signals import post_migrate
from django.dispatch import Signal

from deferred_signals.map import MappedReceiver, Place
from deferred_signals.map.names import Names
from deferred_signals.map.places import in_short, place_of
from deferred_signals.map.sources import place_of_global
from tests.app import signals
from tests.app.models import Order
from tests.support import callables
from tests.support.callables import Service, plain, service
from tests.support.connected import Connected

from .conftest import HOME

Only = Callable[..., MappedReceiver]
HERE = "tests.map.test_names"
CALLABLES = "tests.support.callables"
UNKNOWN = "an unknown sender"


@functools.wraps(plain)
def wrapper(*args: Any, **kwargs: Any) -> None:
    plain(*args, **kwargs)


@functools.lru_cache
def cached(sender: object, **kwargs: object) -> None: ...


@shared_task(name="tests.map.task")
def task(sender: object, **kwargs: object) -> None: ...


nameless = lambda sender, **kwargs: None  # noqa: E731 - what is tested


def line_of(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


CALL = vars(Service)["__call__"]
METHOD = vars(Service)["method"]
NAMED: dict[str, tuple[Any, str, Any]] = {
    "function": (plain, f"{CALLABLES}.plain", plain),
    "lambda": (nameless, f"{HERE}.<lambda>", nameless),
    "wrapper": (wrapper, f"{CALLABLES}.plain", plain),
    "partial": (functools.partial(plain), f"partial({CALLABLES}.plain)", plain),
    "method": (service.method, f"{CALLABLES}.service.method", METHOD),
    "method of an object that no module holds": (
        Service().method,
        f"<{CALLABLES}.Service>.method",
        METHOD,
    ),
    "class method": (
        Service.of_the_class,
        f"{CALLABLES}.Service.of_the_class",
        vars(Service)["of_the_class"].__func__,
    ),
    "static method": (Service.static, f"{CALLABLES}.Service.static", Service.static),
    "object": (service, f"{CALLABLES}.service", CALL),
    "object that no module holds": (Service(), f"<{CALLABLES}.Service>", CALL),
    "cache": (cached, f"{HERE}.cached", inspect.unwrap(cached)),
    "task": (task, f"{HERE}.task", None),
    "function in C": (math.floor, "math.floor", None),
    "method in C": ([].append, "<builtins.list>.append", None),
}


@pytest.mark.parametrize(("function", "name", "code"), NAMED.values(), ids=NAMED)
def test_callable_is_named_and_found(
    function: Any, name: str, code: Any, placed: Signal, only: Only
) -> None:
    placed.connect(function, weak=False)
    found = only()
    assert (found.name, found.runs) == (name, "sync")
    if code is not None:
        assert found.place == Place(code.__code__.co_filename, line_of(code))


def test_class_is_found_where_it_is_declared() -> None:
    lines = Path(str(callables.__file__)).read_text(encoding="utf-8").splitlines()
    assert place_of(Service) == Place(callables.__file__, lines.index("class Service:") + 1)
    assert Names([]).of(Service) == f"{CALLABLES}.Service"


SENDERS: dict[str, tuple[Any, str | None, str]] = {
    "all": (None, None, ""),
    "model": (User, "auth.User", "auth"),
    "model of a relation": (Order.labels.through, "tests_app.Order_labels", "tests_app"),
    "class": (Service, f"{CALLABLES}.Service", ""),
    "function": (plain, f"{CALLABLES}.plain", ""),
    "module": (signals, "tests.app.signals", "tests_app"),
    "object of a module": (service, f"{CALLABLES}.service", ""),
    "config of an app": (
        apps.get_app_config("auth"),
        "django.contrib.auth.apps.AuthConfig",
        "auth",
    ),
}


@pytest.mark.parametrize(("sender", "name", "app"), SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("deferred", [True, False])
def test_sender_has_the_same_name_for_deferred_receivers_and_others(
    sender: Any,
    name: str | None,
    app: str,
    deferred: bool,
    placed: Signal,
    only: Only,
    defer: Connected,
) -> None:
    if deferred:
        defer(placed, sender=sender)(plain)
    else:
        placed.connect(plain, sender=sender)
    assert only().sender == name
    assert only().apps == ({app} if app else set())


def test_text_is_shown_in_quotes_where_it_is_known(
    placed: Signal, only: Only, defer: Connected
) -> None:
    defer(placed, sender="a text")(plain)
    assert only().sender == "'a text'"


@pytest.mark.parametrize("sender", [object(), Service().method, ("a", "tuple")])
def test_sender_that_no_module_holds_is_unknown(sender: Any, placed: Signal, only: Only) -> None:
    placed.connect(plain, sender=sender)
    assert only().sender == UNKNOWN


def test_signals_of_migrations_name_the_configs_of_apps(
    only: Only, mapped: Callable[..., Any]
) -> None:
    config = apps.get_app_config("tests_app")
    post_migrate.connect(plain, sender=config)
    found = mapped("django.db.models.signals.post_migrate").receivers
    post_migrate.disconnect(plain, sender=config)
    assert [it.sender for it in found if it.name == f"{CALLABLES}.plain"] == [
        "tests.app.apps.TestsConfig"
    ]


def test_assignment_is_found_in_a_module_and_in_a_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType(HOME)
    module.__file__ = str(tmp_path / "signals.py")
    Path(module.__file__).write_text(
        "from elsewhere import imported\n\nplain = Signal()\ntyped: Signal = Signal()\n\n\n"
        "class Orders:\n    plain_one = Signal()\n    placed = Signal()\n"
    )
    monkeypatch.setitem(sys.modules, HOME, module)
    lines = {
        name: place_of_global(HOME, name)
        for name in ("plain", "typed", "Orders", "Orders.placed", "imported", "Orders.plain")
    }
    assert lines == {
        "plain": Place(module.__file__, 3),
        "typed": Place(module.__file__, 4),
        "Orders": Place(module.__file__, 7),
        "Orders.placed": Place(module.__file__, 9),
        "imported": Place(module.__file__, None),
        "Orders.plain": Place(module.__file__, None),
    }
    assert place_of_global("nowhere", "name") is None
    assert place_of_global("builtins", "print") is None


def test_place_is_shown_from_the_working_directory_or_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert in_short(Place(str(tmp_path / "shop" / "receivers.py"), 7)) == "shop/receivers.py:7"
    assert in_short(Place(str(tmp_path / "shop" / "receivers.py"), None)) == "shop/receivers.py"
    packages = tmp_path / "venv" / "lib" / "site-packages"
    assert in_short(Place(str(packages / "wagtail" / "signals.py"), 7)) == "wagtail/signals.py:7"
    assert in_short(Place("/elsewhere/signals.py", 7)) == "/elsewhere/signals.py:7"
    assert in_short(None) == ""
