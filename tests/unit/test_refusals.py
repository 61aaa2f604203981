"""What `receiver(..., deferred=True)` refuses: with the reason, and leaving nothing behind."""

from collections.abc import Callable
from typing import Any

import pytest
from celery.signals import task_success
from django.db.models.signals import post_init, post_save, pre_save
from django.dispatch import Signal

from deferred_signals import (
    ConfigurationError,
    DuplicateReceiver,
    InvalidReceiver,
    RegistrationError,
    Retry,
    SignalNotDeferrable,
    receiver,
    registry,
)
from tests.conftest import Connected

from .test_connect import Service, count, plain, service

pytestmark = pytest.mark.django_db


def without_kwargs(sender: object) -> None: ...


class Unnamed:
    def __call__(self, sender: object, **kwargs: object) -> None: ...


def nested() -> Callable[..., None]:
    def inner(sender: object, **kwargs: object) -> None: ...

    return inner


@pytest.mark.parametrize(
    ("signal", "function", "options", "error", "words"),
    [
        (Signal(), without_kwargs, {}, InvalidReceiver, r"\*\*kwargs"),
        (Signal(), lambda sender, **kwargs: None, {}, InvalidReceiver, "lambda.* name="),
        (Signal(), nested(), {}, InvalidReceiver, "function inside a function.* name="),
        (Signal(), Unnamed(), {}, InvalidReceiver, "name="),
        (Signal(), Service.method, {}, InvalidReceiver, "bound method"),
        (Signal(), "text", {}, InvalidReceiver, "callable"),
        (Signal(), vars(Service)["of_the_class"], {}, InvalidReceiver, "after its class"),
        ("post_save", plain, {}, InvalidReceiver, "django.dispatch.Signal"),
        ([], plain, {}, InvalidReceiver, "empty list"),
        (task_success, plain, {}, InvalidReceiver, "Celery's signals"),
        (pre_save, plain, {}, SignalNotDeferrable, "post_save"),
        ([post_save, post_init], plain, {}, SignalNotDeferrable, "each row"),
        (Signal(), plain, {"name": ""}, InvalidReceiver, "name"),
        (Signal(), plain, {"nmae": "x"}, InvalidReceiver, "Did you mean 'name'"),
        (Signal(), plain, {"raw": "yes"}, InvalidReceiver, "raw"),
        (Signal(), plain, {"retry": "unheard of"}, ConfigurationError, "unheard of"),
        (Signal(), plain, {"max_retries": 3}, InvalidReceiver, r"use retry=Retry\(\.\.\.\)"),
        (Signal(), plain, {"durable": True}, ConfigurationError, "deferred_signals.outbox"),
    ],
)
def test_refusal_says_what_to_do_and_leaves_nothing_connected_or_registered(
    signal: Any, function: Any, options: dict[str, Any], error: type, words: str
) -> None:
    registered = [found.name for found in registry.all_receivers()]
    several = signal if isinstance(signal, list) else [signal]
    signals = [item for item in several if isinstance(item, Signal)]
    connected = [len(item.receivers) for item in signals]
    with pytest.raises(error, match=words):
        receiver(signal, deferred=True, **options)(function)
    assert [found.name for found in registry.all_receivers()] == registered
    assert [len(item.receivers) for item in signals] == connected


@pytest.mark.parametrize("name", ["name", "retry", "when", "durable", "queue", "carry"])
def test_option_of_deferred_receivers_wants_deferred(name: str, signal: Signal) -> None:
    with pytest.raises(TypeError, match=f"{name}=.* deferred=True"):
        receiver(signal, **{name: None})  # type: ignore[arg-type]
    assert not signal.has_listeners()


def test_two_functions_of_one_name_are_an_error_that_names_both_places(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, name="tests.taken")
    def first(sender: object, **kwargs: object) -> None: ...

    def second(sender: object, **kwargs: object) -> None: ...

    with pytest.raises(DuplicateReceiver) as caught:
        receiver(signal, deferred=True, name="tests.taken")(second)
    for function in (first, second):
        assert f"{__file__}:{function.__code__.co_firstlineno}" in str(caught.value)
    assert count(signal) == 1


def test_two_sets_of_options_under_one_name_are_an_error(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.taken")(plain)
    with pytest.raises(DuplicateReceiver, match="two sets of options"):
        receiver(signal, deferred=True, name="tests.taken", retry=Retry(max_attempts=7))(plain)


def test_alias_that_is_anothers_name_is_an_error(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.taken")(plain)
    with pytest.raises(RegistrationError, match=r"tests\.taken"):
        receiver(signal, deferred=True, name="tests.new", aliases=["tests.taken"])(service)
    assert registry.find("tests.new") is None
