"""The registry knows the receivers by their names, and their signals by names that travel."""

import pytest
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal

from deferred_signals import DecodeError, UnknownReceiver
from deferred_signals.receivers import registry
from tests.app import signals
from tests.support.connected import Connected


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def test_receiver_is_found_by_name_and_alias(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.new", aliases=["tests.old", "tests.older"])(receive)
    found = registry.get("tests.new")
    assert registry.get("tests.old") is found is registry.get("tests.older")
    assert found.function is receive


def test_receiver_with_aliases_is_one(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.new", aliases=["tests.old"])(receive)
    assert [found.name for found in registry.all_receivers()].count("tests.new") == 1


def test_unknown_name_is_an_error_with_the_nearest(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.send_receipt")(receive)
    with pytest.raises(UnknownReceiver, match=r"Did you mean 'tests\.send_receipt'"):
        registry.get("tests.send_reciept")
    assert registry.find("tests.send_reciept") is None


def test_discarded_receiver_is_gone_under_all_its_names(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.new", aliases=["tests.old"])(receive)
    registry.discard(registry.get("tests.new"))
    assert registry.find("tests.new") is registry.find("tests.old") is None


@pytest.mark.parametrize(
    ("signal", "path"),
    [
        (post_save, "django.db.models.signals.post_save"),
        (m2m_changed, "django.db.models.signals.m2m_changed"),
        (signals.order_placed, "tests.app.signals.order_placed"),
    ],
    ids=["post_save", "m2m_changed", "order_placed"],
)
def test_signal_of_a_module_is_known_by_its_path(
    signal: Signal, path: str, defer: Connected
) -> None:
    defer(signal, name="tests.named", sender=object())(receive)
    found = registry.get("tests.named")
    assert registry.name_of_signal(found, signal) == path
    assert registry.find_signal(found, path) is signal


def test_signal_of_no_module_is_known_by_receiver_and_place(defer: Connected) -> None:
    several = [Signal(), Signal(), post_save]
    defer(several, name="tests.named")(receive)
    found = registry.get("tests.named")
    names = [registry.name_of_signal(found, signal) for signal in several]
    assert names[:2] == ["tests.named#0", "tests.named#1"]
    assert [registry.find_signal(found, name) for name in names] == several


@pytest.mark.parametrize("name", ["", "tests.app.signals.nothing", "tests.named#7", "a.b.c", "..."])
def test_only_signal_of_a_receiver_is_found_whatever_it_is_called(
    signal: Signal, defer: Connected, name: str
) -> None:
    defer(signal, name="tests.named")(receive)
    assert registry.find_signal(registry.get("tests.named"), name) is signal


@pytest.mark.parametrize("name", ["", "tests.app.signals.nothing", "tests.named#7", "a.b.c", "..."])
def test_signal_that_the_receiver_does_not_hear_is_malformed(defer: Connected, name: str) -> None:
    defer([Signal(), Signal()], name="tests.named")(receive)
    with pytest.raises(DecodeError, match="listens to no signal"):
        registry.find_signal(registry.get("tests.named"), name)


def test_signal_that_another_receiver_hears_is_not_given_away(defer: Connected) -> None:
    defer([Signal(), Signal()], name="tests.named")(receive)
    with pytest.raises(DecodeError):
        registry.find_signal(registry.get("tests.named"), "django.db.models.signals.post_save")
