"""What `receiver(..., deferred=True)` refuses, with a reason, and without leaving anything behind."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, Task, current_app, shared_task
from celery.signals import task_success
from django.apps import apps
from django.db.models.signals import ModelSignal, post_delete, post_init, post_save, pre_save
from django.dispatch import Signal
from django.test import modify_settings

from deferred_signals import (
    ConfigurationError,
    DuplicateReceiver,
    InvalidReceiver,
    RegistrationError,
    Retry,
    SignalNotDeferrable,
    connect,
    receiver,
)
from deferred_signals.receivers import registry
from tests.app.models import Label, Order
from tests.support.callables import Service, count, plain, service
from tests.support.connected import Connected

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
        (Signal(), plain, {"name": "two words"}, InvalidReceiver, "visible characters"),
        (Signal(), plain, {"aliases": ["new\nline"]}, InvalidReceiver, "visible characters"),
        (Signal(), plain, {"dispatch_uid": []}, InvalidReceiver, "dispatch_uid must be hashable"),
        (Signal(), plain, {"sender": []}, InvalidReceiver, "never be called"),
        (Signal(), plain, {"sender": [Order, None]}, InvalidReceiver, "leave sender= out"),
        (Signal(), plain, {"sender": [[Order]]}, InvalidReceiver, "one sender an item"),
        (post_save, plain, {"sender": "Order"}, InvalidReceiver, "'app_label.ModelName', got"),
        (post_save, plain, {"sender": [Order, "a.b.C"]}, InvalidReceiver, "got 'a.b.C'"),
        (post_save, plain, {"sender": Order.labels}, InvalidReceiver, r"Give its \.through"),
        (Signal(), plain, {"ordered_by": "instance"}, InvalidReceiver, "needs durable delivery"),
    ],
)
def test_refusal_says_what_to_do_and_leaves_nothing_connected_or_registered(
    signal: Any, function: Any, options: dict[str, Any], error: type, words: str
) -> None:
    registered = [found.name for found in registry.all_receivers()]
    tasks = set(current_app.tasks)
    several = signal if isinstance(signal, list) else [signal]
    signals = [item for item in several if isinstance(item, Signal)]
    connected = [len(item.receivers) for item in signals]
    with pytest.raises(error, match=words):
        receiver(signal, deferred=True, **options)(function)
    assert [found.name for found in registry.all_receivers()] == registered
    assert [len(item.receivers) for item in signals] == connected
    assert set(current_app.tasks) == tasks


@pytest.mark.parametrize("name", ["name", "retry", "when", "durable", "queue", "carry"])
def test_option_of_deferred_receivers_wants_deferred(name: str, signal: Signal) -> None:
    with pytest.raises(TypeError, match=f"{name}=.* deferred=True"):
        receiver(signal, **{name: None})  # type: ignore[call-overload]
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


def test_function_is_connected_under_one_name_only_and_the_second_is_told(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.first")(plain)
    with pytest.raises(DuplicateReceiver, match=r"as 'tests\.first' already.* dispatch_uid="):
        defer(signal, name="tests.second", retry=None)(plain)
    assert registry.find("tests.second") is None
    defer(signal, name="tests.second", dispatch_uid="second")(plain)
    assert count(signal) == 2


def test_alias_that_is_anothers_name_is_an_error(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.taken")(plain)
    with pytest.raises(RegistrationError, match=r"tests\.taken"):
        receiver(signal, deferred=True, name="tests.new", aliases=["tests.taken"])(service)
    assert registry.find("tests.new") is None


def test_receiver_that_django_would_ignore_is_refused(signal: Signal, defer: Connected) -> None:
    signal.connect(plain)
    with pytest.raises(InvalidReceiver, match=r"without deferred=True.* Disconnect the first"):
        connect(signal, plain, name="tests.ignored")
    assert registry.find("tests.ignored") is None
    signal.disconnect(plain)
    defer(signal)(plain)
    assert count(signal) == 1


def test_durable_delivery_without_its_app_is_refused(signal: Signal) -> None:
    refused = pytest.raises(ConfigurationError, match=r"'deferred_signals\.outbox'.*migrate")
    with modify_settings(INSTALLED_APPS={"remove": "deferred_signals.outbox"}), refused:
        connect(signal, plain, name="tests.durable", durable=True)
    assert registry.find("tests.durable") is None
    assert count(signal) == 0


def told(signal: Any, function: Any, **options: Any) -> RegistrationError:
    """Return the one error that a declaration raises."""
    with pytest.raises(RegistrationError) as caught:
        connect(signal, function, **options)
    return caught.value


def test_refusals_come_together() -> None:
    error = told([post_init, pre_save], Unnamed().__call__, qeue="slow", raw=1, max_attempts=3)
    for words in ("name=", "post_init", "pre_save", "'queue'", "raw must be", "max_attempts=..."):
        assert words in str(error)
    assert "for 6 reasons:\n- " in str(error)


def test_error_of_several_refusals_is_of_the_kind_of_each() -> None:
    error = told(post_init, nested(), retry="unheard of")
    assert isinstance(error, InvalidReceiver)
    assert isinstance(error, SignalNotDeferrable)
    assert isinstance(error, ConfigurationError)
    assert isinstance(error, TypeError)


def test_same_refusal_of_several_senders_is_told_once() -> None:
    error = told(Signal(), plain, sender=[Order, None, None])
    assert str(error).count("None in it") == 1


class Unwilling(Signal):
    """Fails when something is connected to it."""

    def connect(self, *args: Any, **kwargs: Any) -> None:
        raise OSError("no")


class UnwillingOfModels(ModelSignal):
    """Fails when something is connected to it."""

    def connect(self, *args: Any, **kwargs: Any) -> None:
        raise OSError("no")


def test_connection_that_fails_midway_leaves_nothing(signal: Signal) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            connect(
                [signal, Unwilling()],
                plain,
                name="tests.midway",
                aliases=["tests.alias"],
                sender=[Order, Label],
            )
        assert not signal.receivers
        for name in ("tests.midway", "tests.alias"):
            assert registry.find(name) is None
            assert name not in current_app.tasks


def test_connection_that_fails_midway_leaves_what_was_there(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.before", sender=Order)(plain)
    found = registry.get("tests.before")
    with pytest.raises(OSError, match="no"):
        connect([signal, Unwilling()], plain, name="tests.before", sender=[Order, Label])
    assert (count(signal, Order), count(signal, Label)) == (1, 0)
    assert (registry.get("tests.before"), found.signals) == (found, [signal])
    assert "tests.before" in current_app.tasks


class Impossible(Task):  # type: ignore[type-arg]  # Celery 5.4 has no arguments for it at run time
    """Cannot be made."""

    abstract = True

    def __init__(self) -> None:
        raise OSError("no")


def test_base_of_which_no_task_can_be_made_leaves_nothing(signal: Signal) -> None:
    with pytest.raises(OSError, match="no"):
        connect(signal, plain, name="tests.impossible", base=Impossible, sender=[Order, Label])
    assert not signal.receivers
    assert registry.find("tests.impossible") is None
    later = Celery("later", set_as_current=False)
    assert "tests.impossible" not in later.tasks
    later.close()


def test_celery_task_is_refused(signal: Signal) -> None:
    with pytest.raises(InvalidReceiver, match=r"is a Celery task already.* the plain function"):
        connect(signal, shared_task(name="tests.a_task")(nested()), name="tests.task")
    assert "tests.task" not in current_app.tasks


def test_connection_to_a_model_that_is_still_to_come_is_taken_back() -> None:
    with pytest.raises(OSError, match="no"):
        connect([post_delete, UnwillingOfModels()], plain, sender="tests_app.NeverMade")
    waiting = apps._pending_operations  # noqa: SLF001 - Django has no way to let the model come
    for operation in waiting.pop(("tests_app", "nevermade")):
        operation(Order)
    assert not any(found.__name__ == "plain" for found, _ in post_delete.send(Order, instance=None))


def test_refused_receiver_may_be_connected_rightly_afterwards(
    signal: Signal, defer: Connected
) -> None:
    with pytest.raises(OSError, match="no"):
        connect(Unwilling(), plain, name="tests.second_try")
    defer(signal, name="tests.second_try")(plain)
    assert count(signal) == 1
    assert "tests.second_try" in current_app.tasks


@pytest.mark.parametrize("name", ["defered", "differed", "deffered", "defer", "Deferred"])
def test_misspelt_argument_is_refused_with_the_right_spelling(name: str, signal: Signal) -> None:
    for options in ({name: True}, {name: True, "retry": None}):
        with pytest.raises(TypeError, match=f"{name}= is not an argument.* deferred=True"):
            receiver(signal, **options)
    with pytest.raises(TypeError, match=f"{name}= is not an option.*'deferred'"):
        connect(signal, plain, **{name: True})
    assert not signal.has_listeners()


@pytest.mark.parametrize("deferred", ["yes", "", None, 1])
def test_deferred_is_true_or_false(deferred: Any, signal: Signal) -> None:
    with pytest.raises(TypeError, match="deferred must be True or False, got"):
        receiver(signal, deferred=deferred)
