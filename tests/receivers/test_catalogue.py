"""The verdict on each built-in signal."""

from importlib import import_module
from importlib.util import find_spec

import pytest
from django.core.signals import request_finished
from django.dispatch import Signal

from deferred_signals import SignalNotDeferrable, events, receiver
from deferred_signals.receivers.catalogue import CATALOGUE, Entry, check, entry_of
from tests.support.connected import Connected


def signal_of(entry: Entry) -> Signal:
    module, _, name = entry.path.rpartition(".")
    if module == "django.tasks.signals" and find_spec("django.tasks") is None:
        pytest.skip("django.tasks came with Django 6.0")
    found = getattr(import_module(module), name)
    assert isinstance(found, Signal)
    return found


def entries(verdict: str) -> list[object]:
    return [pytest.param(entry, id=entry.path) for entry in CATALOGUE if entry.verdict == verdict]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


@pytest.mark.parametrize("entry", entries("refused"))
def test_refused_signal_is_refused_with_its_reason(entry: Entry) -> None:
    signal = signal_of(entry)
    for opt_in in (False, True):
        with pytest.raises(SignalNotDeferrable) as caught:
            receiver(signal, deferred=True, opt_in=opt_in, name="tests.refused")(receive)
        assert str(caught.value) == f"{entry.path} cannot be deferred. {entry.reason}"
        assert entry.reason


@pytest.mark.parametrize("entry", entries("opt-in"))
def test_guarded_signal_is_deferred_only_for_those_who_ask(entry: Entry) -> None:
    signal = signal_of(entry)
    with pytest.raises(SignalNotDeferrable, match="only with opt_in=True") as caught:
        check(signal, opt_in=False)
    assert entry.reason
    assert entry.reason in str(caught.value)
    assert check(signal, opt_in=True) is entry


@pytest.mark.parametrize("entry", entries("allowed"))
def test_allowed_signal_is_allowed(entry: Entry) -> None:
    signal = signal_of(entry)
    assert check(signal, opt_in=False) is entry


def test_every_lifecycle_signal_is_refused() -> None:
    for name in events.__all__:
        assert entry_of(getattr(events, name)).verdict == "refused"


def test_every_signal_of_django_has_a_verdict() -> None:
    modules = [
        "django.db.models.signals",
        "django.core.signals",
        "django.contrib.auth.signals",
        "django.test.signals",
        "django.db.backends.signals",
        "django.utils.autoreload",
    ]
    unlisted = [
        f"{module}.{name}"
        for module in modules
        for name, value in vars(import_module(module)).items()
        if isinstance(value, Signal) and not entry_of(value).path
    ]
    assert unlisted == []


def test_custom_signal_is_allowed(signal: Signal) -> None:
    assert check(signal, opt_in=False).verdict == "allowed"


def test_guarded_signal_connects_with_opt_in(defer: Connected) -> None:
    defer(request_finished, opt_in=True, name="tests.guarded")(receive)
    assert request_finished.disconnect(receive)
