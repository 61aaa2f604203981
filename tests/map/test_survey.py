"""The map has each connection that there is, with what is known of it."""

import gc
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from deferred_signals import ConfigurationError, receiver
from deferred_signals.map import MappedReceiver, MappedSignal, Place, receiver_map
from tests.app import signals
from tests.app.models import Label, Order
from tests.support.callables import Service, plain, service
from tests.support.connected import Connected

from .conftest import HOME
from .hostile import Hostile, HostileClass

Mapped = Callable[..., MappedSignal]
Only = Callable[..., MappedReceiver]
POST_SAVE = "django.db.models.signals.post_save"


def receive(sender: object, **kwargs: object) -> None: ...


async def receive_async(sender: object, **kwargs: object) -> None: ...


def line_of(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


def test_receiver_in_the_senders_process_has_its_path_and_place(placed: Signal, only: Only) -> None:
    placed.connect(receive, dispatch_uid="x")
    assert only() == MappedReceiver(
        name="tests.map.test_survey.receive",
        sender=None,
        runs="sync",
        place=Place(__file__, line_of(receive)),
        is_own=True,
        apps=frozenset(),
        dispatch_uid="x",
        deferral=None,
    )


def test_async_receiver_is_told_from_others(placed: Signal, only: Only) -> None:
    placed.connect(receive_async)
    assert only().runs == "async"


def test_deferred_receiver_has_its_name_and_the_place_of_its_function(
    placed: Signal, only: Only, defer: Connected
) -> None:
    defer(placed, name="tests.named", sender=Order, dispatch_uid="y")(receive)
    found = only()
    assert (found.name, found.sender, found.runs) == ("tests.named", "tests_app.Order", "deferred")
    assert found.place == Place(__file__, line_of(receive))
    assert found.apps == {"tests_app"}
    assert found.dispatch_uid == "y"
    assert found.deferral is not None


def test_dispatch_uid_that_is_no_text_is_not_shown(
    placed: Signal, mapped: Mapped, defer: Connected
) -> None:
    placed.connect(receive)
    placed.connect(plain, dispatch_uid=7)
    defer(placed)(service.method)
    assert [found.dispatch_uid for found in mapped().receivers] == [None, None, None]


def test_each_sender_of_a_list_is_a_connection(
    placed: Signal, mapped: Mapped, defer: Connected
) -> None:
    defer(placed, sender=[Order, Label])(receive)
    assert [found.sender for found in mapped().receivers] == ["tests_app.Label", "tests_app.Order"]


def test_receiver_of_several_signals_is_with_each(
    placed: Signal, mapped: Mapped, only: Only, defer: Connected
) -> None:
    defer([placed, post_delete, signals.order_placed], name="tests.several")(receive)
    assert only().name == "tests.several"
    for name in ("django.db.models.signals.post_delete", "tests.app.signals.order_placed"):
        assert [it.sender for it in mapped(name).receivers if it.name == "tests.several"] == [None]


def test_lazy_sender_is_the_model_once_it_is_loaded(mapped: Mapped, defer: Connected) -> None:
    defer(post_save, name="tests.lazy", sender="tests_app.order")(receive)
    (found,) = [it for it in mapped(POST_SAVE).receivers if it.name == "tests.lazy"]
    assert found.sender == "tests_app.Order"


def test_lazy_sender_that_is_not_loaded_is_told_to_be_so(
    mapped: Mapped, defer: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Django keeps for good what waits for a model.
    monkeypatch.setattr(apps, "_pending_operations", defaultdict(list))
    defer(post_save, name="tests.lazy", sender="tests_app.Nobody")(receive)
    (found,) = [it for it in mapped(POST_SAVE).receivers if it.name == "tests.lazy"]
    assert found.sender == "tests_app.Nobody (not loaded)"
    assert found.apps == {"tests_app"}


def test_connections_that_ended_are_not_shown(
    placed: Signal, mapped: Mapped, defer: Connected
) -> None:
    def gone(sender: object, **kwargs: object) -> None: ...

    placed.connect(gone)
    placed.connect(receive)
    defer(placed, name="tests.ended")(plain)
    placed.disconnect(receive)
    placed.disconnect(plain)
    del gone
    gc.collect()
    assert mapped().receivers == ()


def test_reference_that_has_died_and_is_still_kept_is_not_shown(
    placed: Signal, mapped: Mapped
) -> None:
    service = Service()
    placed.connect(service.method)
    kept = list(placed.receivers)
    del service
    gc.collect()
    placed.receivers = kept
    assert mapped().receivers == ()


def test_signal_that_nobody_hears_is_there_with_its_place(mapped: Mapped) -> None:
    found = mapped("tests.app.signals.order_placed")
    file = Path(str(signals.__file__))
    line = file.read_text(encoding="utf-8").splitlines().index("order_placed = Signal()") + 1
    assert found.place == Place(str(file), line)
    assert (found.is_own, found.app) == (True, "tests_app")


def test_djangos_signals_and_receivers_are_there_and_not_the_projects(mapped: Mapped) -> None:
    found = mapped("django.core.signals.request_finished")
    assert not found.is_own
    closes = [it for it in found.receivers if it.name == "django.db.close_old_connections"]
    assert [(it.is_own, it.runs, it.sender) for it in closes] == [(False, "sync", None)]


def test_signal_that_a_project_imports_has_the_name_of_its_declaration(
    home: ModuleType, mapped: Mapped
) -> None:
    names = {signal.name for signal in receiver_map().signals}
    vars(home).update(post_save=post_save, m2m_changed=m2m_changed, placed=signals.order_placed)
    assert {signal.name for signal in receiver_map().signals} == names


def test_signal_of_a_class_is_found(home: ModuleType, only: Only) -> None:
    vars(home)["Orders"] = type("Orders", (), {"placed": Signal(), "__module__": HOME})
    vars(home)["Orders"].placed.connect(receive)
    assert only(f"{HOME}.Orders.placed").name == "tests.map.test_survey.receive"


def test_signal_of_no_module_has_the_name_that_messages_have_for_it(
    signal: Signal, mapped: Mapped, defer: Connected
) -> None:
    defer([signals.order_placed, signal], name="tests.two")(receive)
    signal.connect(plain)
    found = mapped("tests.two#1")
    assert [it.name for it in found.receivers] == ["tests.support.callables.plain", "tests.two"]
    assert (found.is_own, found.place, found.app) == (True, None, None)


def test_order_is_by_sender_and_name_and_not_by_when_it_was_connected(
    placed: Signal, mapped: Mapped, defer: Connected
) -> None:
    defer(placed, name="tests.b", sender=Order)(receive)
    defer(placed, name="tests.c")(receive)
    defer(placed, name="tests.a", sender=Order)(receive_async)
    placed.connect(plain, sender=Label)
    assert [(found.sender, found.name) for found in mapped().receivers] == [
        (None, "tests.c"),
        ("tests_app.Label", "tests.support.callables.plain"),
        ("tests_app.Order", "tests.a"),
        ("tests_app.Order", "tests.b"),
    ]
    names = [signal.name for signal in receiver_map().signals]
    assert names == sorted(names)


def test_app_is_the_one_that_is_nearest_to_the_module(only: Only, placed: Signal) -> None:
    placed.connect(receive, sender=User)
    assert only().apps == {"auth"}


def test_nobody_is_asked_anything(home: ModuleType, placed: Signal, mapped: Mapped) -> None:
    class Odd(metaclass=HostileClass): ...

    hostile, loose, sender = Hostile(), Hostile(), Hostile()
    vars(home).update(
        hostile=hostile,
        odd=Odd,
        lazy=SimpleLazyObject(lambda: 1 / 0),
        __getattr__=lambda name: 1 / 0,
    )
    for number, function in enumerate((hostile, loose, Odd)):
        # As `connect` keeps it, which asks the callable what it is.
        placed.receivers.append(((number, id(None)), function, False))
    placed.receivers.append(((9, id(sender)), receive, False))
    names = {(found.sender, found.name) for found in mapped().receivers}
    assert names == {
        (None, f"{HOME}.hostile"),
        (None, "<tests.map.hostile.Hostile>"),
        (None, "tests.map.test_survey.test_nobody_is_asked_anything.<locals>.Odd"),
        ("an unknown sender", "tests.map.test_survey.receive"),
    }


def test_wrong_settings_are_an_error(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGR": True}
    with pytest.raises(ConfigurationError, match="EAGR"):
        receiver_map()


def test_receiver_that_is_reloaded_is_shown_once(placed: Signal, only: Only) -> None:
    for _ in range(2):
        receiver(placed, deferred=True, name="tests.again", weak=False)(plain)
    assert only().name == "tests.again"
    placed.disconnect(plain)
