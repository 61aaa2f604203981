"""Receivers that the setting `DEFER` names, and that stay as they are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.signals import pre_save
from django.dispatch import Signal

from deferred_signals import connect, receiver
from deferred_signals.receivers import foreign, registry
from tests.app.models import Label, Order
from tests.support.by_settings import BySettings
from tests.support.callables import count, plain
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db

PLAIN = "tests.support.callables.plain"
HERE = f"{__name__}."


def without_kwargs(sender: object, signal: object, number: int = 0) -> str:
    """Have a signature that no receiver should have."""
    return "ran"


def answer(sender: object, **kwargs: object) -> str:
    """Answer the sender."""
    return "ran"


def refused(found: foreign.Foreign) -> list[tuple[str, Signal, str]]:
    return [(path, signal, reason) for path, (signal, reason) in found.refused()]


@pytest.mark.parametrize(
    ("function", "options", "reason"),
    [
        (without_kwargs, {}, "must accept **kwargs"),
        (answer, {"snapshoot": True}, "Did you mean 'snapshot'?"),
        (answer, {"queue": 3}, "queue must be a name"),
        (answer, {"retry": "nobody's"}, "names a policy, and the settings define none"),
        (answer, {"sender": Order}, "sender= is what the package connects its receiver with"),
        (answer, {"weak": False}, "weak= is what the package"),
        (answer, {"deferred": True}, "deferred=True is not needed"),
    ],
)
def test_receiver_that_cannot_be_deferred_stays_as_it_is(
    function: Callable[..., str],
    options: dict[str, Any],
    reason: str,
    signal: Signal,
    by_settings: BySettings,
) -> None:
    path = f"{HERE}{function.__name__}"
    found = by_settings({path: options})
    for _ in range(2):
        signal.connect(function)
    assert signal.send(None) == [(function, "ran")]
    ((of, where, why),) = refused(found)
    assert (of, where) == (path, signal)
    assert reason in why
    assert "Django ignores a second connection" not in why
    assert registry.find(path) is None


def test_all_that_is_wrong_with_an_entry_is_told(signal: Signal, by_settings: BySettings) -> None:
    found = by_settings({f"{HERE}without_kwargs": {"queue": 3, "snapshoot": True}})
    signal.connect(without_kwargs)
    ((_, _, why),) = refused(found)
    assert "for 3 reasons" in why
    assert all(text in why for text in ("queue must be", "'snapshot'", "accept **kwargs"))


def test_signal_that_cannot_be_deferred_is_heard_here(by_settings: BySettings) -> None:
    found = by_settings({f"{HERE}answer": {}})
    pre_save.connect(answer, sender=Order)
    try:
        assert (answer, "ran") in pre_save.send(Order, instance=Order())
    finally:
        assert pre_save.disconnect(answer, sender=Order)
    ((_, _, why),) = refused(found)
    assert "pre_save cannot be deferred" in why


def test_function_that_no_worker_finds_stays_as_it_is(
    signal: Signal, by_settings: BySettings
) -> None:
    def local(sender: object, **kwargs: object) -> str:
        return "ran"

    found = by_settings({foreign.path_of(local): {}})
    signal.connect(local)
    assert signal.send(None) == [(local, "ran")]
    assert "cannot be found again by a worker" in refused(found)[0][2]


def test_second_function_of_one_path_stays_as_it_is(
    signal: Signal, by_settings: BySettings
) -> None:
    def twin(sender: object, **kwargs: object) -> str:
        return "ran"

    twin.__module__, twin.__qualname__ = __name__, "answer"
    found = by_settings({f"{HERE}answer": {}})
    signal.connect(answer)
    signal.connect(twin)
    assert len(deferred(signal.send(None))) == 1
    assert (twin, "ran") in signal.send(None)
    assert "names two receivers" in refused(found)[0][2]


def test_tuple_as_sender_is_the_one_object_that_it_is_for_django(
    signal: Signal, by_settings: BySettings
) -> None:
    senders = (Order, Label)
    by_settings({f"{HERE}answer": {}})
    signal.connect(answer, sender=senders)
    assert signal.send(senders) == [(answer, "ran")]
    assert signal.send(Order) == []


class Odd:
    """Does not bear to be asked for its name."""

    def __getattr__(self, name: str) -> Any:
        if name == "__qualname__":
            raise RuntimeError(name)
        raise AttributeError(name)

    def __call__(self, sender: object, **kwargs: object) -> str:
        return "ran"


def test_object_that_does_not_tell_its_name_is_handed_on(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {}})
    odd = Odd()
    signal.connect(odd, weak=False)
    assert signal.send(None) == [(odd, "ran")]


def test_code_that_defers_a_receiver_itself_has_the_last_word(
    signal: Signal, by_settings: BySettings
) -> None:
    found = by_settings({PLAIN: {"queue": "slow"}})
    connect(signal, plain, queue="fast")
    assert count(signal) == 1
    assert registry.get(PLAIN).options.queue == "fast"
    assert not found.has_deferred(PLAIN)
    assert found.unmatched() == [PLAIN]


def test_receiver_of_code_with_other_options_stays_as_the_code_has_it(
    signal: Signal, by_settings: BySettings
) -> None:
    other = Signal()
    found = by_settings({f"{HERE}answer": {"queue": "slow"}})
    connect(signal, answer, queue="fast")
    other.connect(answer)
    assert count(signal) == 1
    assert other.send(None) == [(answer, "ran")]
    assert "two sets of options" in refused(found)[0][2]


def test_code_and_entry_with_the_same_options_are_one_receiver(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {"queue": "slow"}})
    signal.connect(plain)
    receiver(signal, deferred=True, queue="slow")(plain)
    assert count(signal) == 1


def test_receiver_that_was_connected_before_the_entry_stays_as_it_is(
    signal: Signal, by_settings: BySettings
) -> None:
    signal.connect(answer)
    found = by_settings({f"{HERE}answer": {}})
    signal.connect(answer)
    assert signal.send(None) == [(answer, "ran")]
    assert "Disconnect the first one before" in refused(found)[0][2]
