"""E013 and E014: entries of the setting `DEFER` that defer nothing."""

import pytest
from django.core import checks
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from pytest_django import Settings

from tests.app.models import Order
from tests.support.by_settings import BySettings
from tests.support.callables import plain
from tests.support.connected import Connected
from tests.support.other_package import make_redirect

pytestmark = pytest.mark.usefixtures("only_own_receivers")

PLAIN = "tests.support.callables.plain"
OTHER = "tests.support.other_package.make_redirect"

#: Found by the checks as modules' signals are: this one has connected a receiver before the app was made.
early = Signal()


def found() -> list[checks.CheckMessage]:
    told = checks.run_checks(tags=["deferred_signals"])
    return [item for item in told if item.id in {"deferred_signals.E013", "deferred_signals.E014"}]


def the_one() -> tuple[str | None, str, str]:
    """Return the id, the text and the hint of the one message."""
    (told,) = found()
    assert told.level == checks.ERROR
    return told.id, told.msg, told.hint or ""


def test_entry_that_defers_a_receiver_has_nothing_to_be_told(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {"queue": "slow"}})
    signal.connect(plain)
    assert found() == []


def test_e013_nothing_was_connected(by_settings: BySettings) -> None:
    by_settings({"nowhere.receivers.send": {}})
    number, text, hint = the_one()
    assert number == "deferred_signals.E013"
    assert "names 'nowhere.receivers.send', but no receiver of this name was connected" in text
    assert hint == "Its module is not loaded. Is its app in INSTALLED_APPS?"


@pytest.mark.parametrize(
    ("entry", "more"),
    [
        ("tests.support.callables.plein", ""),
        ("tests.support.plain", " If not, is its app in INSTALLED_APPS?"),
        ("another_package.handlers.plain", " If not, is its app in INSTALLED_APPS?"),
    ],
)
def test_e013_names_the_nearest(
    entry: str, more: str, signal: Signal, by_settings: BySettings
) -> None:
    by_settings({entry: {}})
    signal.connect(plain)
    signal.connect(make_redirect)
    assert the_one()[2] == f"Did you mean '{PLAIN}'?{more}"


def test_e013_names_what_another_entry_has_deferred(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {}, "tests.support.callables.plane": {}})
    signal.connect(plain)
    assert the_one()[2] == f"Did you mean '{PLAIN}'?"


def test_e013_name_that_a_loaded_module_does_not_have(by_settings: BySettings) -> None:
    by_settings({"tests.support.callables.once_here": {}})
    assert the_one()[2] == (
        "tests.support.callables has no once_here. Its package may have renamed it."
    )


@pytest.mark.parametrize("name", ["count", "Service.method"])
def test_e013_function_that_is_loaded_and_not_connected(name: str, by_settings: BySettings) -> None:
    by_settings({f"tests.support.callables.{name}": {}})
    assert "It is there, and nobody has connected it" in the_one()[2]


def test_e013_receiver_that_was_connected_before(by_settings: BySettings) -> None:
    early.connect(plain)
    try:
        by_settings({PLAIN: {}})
        _, text, hint = the_one()
    finally:
        early.disconnect(plain)
    assert "it was connected before the app deferred_signals was made" in text
    assert "Put 'deferred_signals' first in INSTALLED_APPS" in hint


def test_e013_receiver_that_code_defers(
    signal: Signal, by_settings: BySettings, defer: Connected
) -> None:
    by_settings({PLAIN: {"queue": "slow"}})
    defer(signal, name=PLAIN)(plain)
    _, text, hint = the_one()
    assert "but code defers it already, at " in text
    assert "callables.py:" in text
    assert hint == "Remove the entry."


def test_e014_option_that_does_not_exist_is_told_before_anything_is_connected(
    by_settings: BySettings,
) -> None:
    by_settings({PLAIN: {"snapshoot": True}})
    (first, second) = sorted(found(), key=lambda item: item.id or "")
    assert (first.id, second.id) == ("deferred_signals.E013", "deferred_signals.E014")
    assert "Did you mean 'snapshot'?" in second.msg


def test_e014_option_of_a_connected_receiver_is_told_once(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {"snapshoot": True}})
    signal.connect(plain)
    number, text, hint = the_one()
    assert number == "deferred_signals.E014"
    assert f"names '{PLAIN}', which cannot be deferred, and runs in the sender's process" in text
    assert hint == "Correct the options of the entry, or remove it."


def test_e014_signal_that_is_refused_is_named(by_settings: BySettings) -> None:
    by_settings({PLAIN: {}})
    for signal in (pre_save, post_save):
        signal.connect(plain, sender=Order)
    try:
        _, text, _ = the_one()
    finally:
        for signal in (pre_save, post_save):
            signal.disconnect(plain, sender=Order)
    assert "cannot be deferred as a receiver of django.db.models.signals.pre_save" in text
    assert "use post_save" in text


def test_entries_are_not_judged_while_the_settings_are_wrong(
    by_settings: BySettings, settings: Settings
) -> None:
    by_settings({"nowhere.receivers.send": {}})
    settings.DEFERRED_SIGNALS = {"DEFER": ["nowhere.receivers.send"]}
    told = [item for item in checks.run_checks(tags=["deferred_signals"]) if item.is_serious()]
    assert [item.id for item in told] == ["deferred_signals.E001"]
