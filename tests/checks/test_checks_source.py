"""The system checks that read a receiver's source."""

# ruff: noqa: SLF001, T201  # receivers to be read, never run

from collections.abc import Callable
from typing import Any

import pytest
from django.core import checks
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals.receivers.inspection import inspect_receiver
from tests.app.models import Order
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")


def found() -> dict[str | None, checks.CheckMessage]:
    return {message.id: message for message in checks.run_checks(tags=["deferred_signals"])}


def reads_transient(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old_status, instance.status, instance.pk, instance._state.db)


def test_attribute_that_is_no_field_is_pointed_at(defer: Connected) -> None:
    defer(post_save, sender=Order)(reads_transient)
    message = found()["deferred_signals.W005"]
    assert "instance._old_status" in message.msg
    assert "carry=('_old_status',)" in str(message.hint)


def test_attribute_that_is_carried_is_fine(defer: Connected) -> None:
    defer(post_save, sender=Order, carry=["_old_status"])(reads_transient)
    assert found() == {}


def test_lazy_sender_is_looked_at_like_its_model(defer: Connected) -> None:
    defer(post_save, sender="tests_app.Order")(reads_transient)
    assert "deferred_signals.W005" in found()


def sets_before_it_reads(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance._seen = True
    print(instance._seen)


def test_attribute_that_the_receiver_sets_itself_is_fine(defer: Connected) -> None:
    defer(post_save, sender=Order)(sets_before_it_reads)
    assert found() == {}


def uses_fields_and_relations(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.status, instance.labels.all(), instance.get_deferred_fields(), instance.id)


def test_fields_relations_and_methods_travel(defer: Connected) -> None:
    defer(post_save, sender=Order)(uses_fields_and_relations)
    assert found() == {}


def test_receiver_of_every_model_is_warned_of(defer: Connected) -> None:
    defer(post_save)(sets_before_it_reads)
    assert list(found()) == ["deferred_signals.W006"]


def test_receiver_of_every_model_with_a_condition_is_fine(defer: Connected) -> None:
    defer(post_save, when=lambda sender, **kwargs: sender is Order)(sets_before_it_reads)
    assert found() == {}


def answers(sender: Any, **kwargs: Any) -> int:
    return 1


def returns_early(sender: Any, stop: bool, **kwargs: Any) -> None:
    def helper() -> int:
        return 1

    if stop:
        return None  # noqa: RET501 - None is no answer, and must not be taken for one
    helper()


def test_answer_that_nobody_sees_is_pointed_at(signal: Signal, defer: Connected) -> None:
    defer(signal)(answers)
    assert list(found()) == ["deferred_signals.W007"]


def test_early_return_is_no_answer(signal: Signal, defer: Connected) -> None:
    defer(signal)(returns_early)
    assert found() == {}


def test_callable_without_source_is_passed_over() -> None:
    assert inspect_receiver(print) is None
    assert inspect_receiver(eval("lambda **kwargs: 1")) is None  # noqa: S307 - has no source


def gives_on(function: Callable[..., None]) -> Callable[..., None]:
    def wrapper(sender: Any, **kwargs: Any) -> None:
        return function(sender, **kwargs)

    return wrapper


@gives_on
def is_decorated_without_wraps(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._old_status)


def test_decorator_that_says_nothing_of_what_it_wraps_is_looked_through(defer: Connected) -> None:
    defer(post_save, sender=Order)(is_decorated_without_wraps)
    assert list(found()) == ["deferred_signals.W005"]


async def _answer() -> int:
    return 1


async def returns_what_a_helper_returns(sender: Any, **kwargs: Any) -> int:
    return await _answer()


def test_answer_of_a_helper_is_an_answer(signal: Signal, defer: Connected) -> None:
    defer(signal)(returns_what_a_helper_returns)
    assert list(found()) == ["deferred_signals.W007"]
