"""What may be asserted of the messages that a test collected."""

import re
from typing import Any
from unittest.mock import ANY

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, receiver
from deferred_signals.testing import (
    all_deferred,
    assert_deferred,
    manual,
    refute_deferred,
    run_deferred,
)
from tests.app.models import Article, Order
from tests.support.connected import Connected
from tests.support.recorder import Recorder

pytestmark = pytest.mark.django_db


def test_assertion_matches_some_kwargs_by_equality_or_by_function(
    signal: Signal, recorder: Recorder
) -> None:
    with manual() as deferred:
        signal.send(None, number=7, name="Ada")
        assert deferred.assert_deferred(recorder, number=7).kwargs["name"] == "Ada"
        deferred.assert_deferred(recorder, number=ANY, name=lambda name: name[0] == "A")
        deferred.refute_deferred(recorder, number=8)


def test_row_in_a_message_equals_its_instance_without_a_query(
    defer: Connected, django_assert_num_queries: Any
) -> None:
    recorder = Recorder()
    defer(post_save, sender=Order)(recorder)
    with manual() as deferred:
        order = Order.objects.create()
        with django_assert_num_queries(0):
            deferred.assert_deferred(recorder, instance=order, created=True)
            deferred.refute_deferred(recorder, instance=Order(pk=order.pk + 1))


def test_row_whose_key_has_a_type_of_its_own_equals_its_instance(defer: Connected) -> None:
    recorder = Recorder()
    defer(post_save, sender=Article)(recorder)
    with manual() as deferred:
        article = Article.objects.create()
        deferred.assert_deferred(recorder, instance=article, created=True)
        deferred.refute_deferred(recorder, instance=Article(pk=0))


def test_failed_assertion_shows_what_was_deferred_instead_nearest_first(
    signal: Signal, recorder: Recorder, defer: Connected
) -> None:
    other = Recorder()
    defer(signal, name="tests.other")(other)
    with manual() as deferred:
        signal.send(None, number=1, name="Ada")
        signal.send(None, number=2, name="Bob")
        with pytest.raises(AssertionError) as failed:
            deferred.assert_deferred(recorder, number=2, name="Eve")
    first, second, third, *_ = str(failed.value).splitlines()[1:]
    assert re.search(r"number=2, name='Bob'\)  <- name='Bob'$", first)
    assert re.search(r"number=1, name='Ada'\)  <- number=1, name='Ada'$", second)
    assert "tests.other" in third


def test_error_shows_rows_and_long_values_in_short(defer: Connected) -> None:
    recorder = Recorder()
    defer(
        post_save, sender=Order, name="tests.saved", capture=lambda sender, **_: {"x": "y" * 999}
    )(recorder)
    with manual() as deferred:
        order = Order.objects.create()
        with pytest.raises(AssertionError) as failed:
            deferred.assert_deferred(recorder, created=False)
    line = str(failed.value).splitlines()[-1]
    assert line.startswith(f"  tests.saved(instance=<tests_app.Order {order.pk}>, created=True")
    assert line.endswith("y...)  <- created=True")
    assert len(line) < 500


def test_assertion_says_that_nothing_was_deferred(recorder: Recorder) -> None:
    with manual() as deferred, pytest.raises(AssertionError, match="Nothing was"):
        deferred.assert_deferred(recorder)


@pytest.mark.parametrize("fixture", ["db", "transactional_db"])
def test_assertion_says_that_a_block_is_still_open(
    fixture: str, request: pytest.FixtureRequest, signal: Signal, recorder: Recorder
) -> None:
    request.getfixturevalue(fixture)
    with manual() as deferred, transaction.atomic():
        signal.send(None)
        with pytest.raises(
            AssertionError, match=r"Such a message waits for the end of an atomic\(\) block"
        ):
            deferred.assert_deferred(recorder)


def test_sender_can_be_asserted(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(Order, number=1)
        assert deferred.assert_deferred(recorder, sender=Order).sender is Order
        deferred.refute_deferred(recorder, sender=None)


def test_kwarg_may_have_the_name_of_a_parameter_of_the_assertion(
    signal: Signal, recorder: Recorder
) -> None:
    with manual() as deferred:
        signal.send(None, receiver="Ada")
        deferred.assert_deferred(recorder, receiver="Ada")
        assert_deferred(recorder, receiver="Ada")


def test_receiver_can_be_given_by_its_name_or_an_alias(signal: Signal, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal, name="tests.new", aliases=["tests.old"])(recorder)
    with manual() as deferred:
        signal.send(None)
        assert deferred.assert_deferred("tests.new") == deferred.assert_deferred("tests.old")


def test_function_under_two_names_is_asserted_by_either(signal: Signal, defer: Connected) -> None:
    recorder, second = Recorder(), Signal()
    defer(signal, name="tests.one")(recorder)
    defer(second, name="tests.two")(recorder)
    with manual() as deferred:
        second.send(None)
        assert deferred.assert_deferred(recorder).receiver == "tests.two"
        deferred.refute_deferred("tests.one")


def ordinary(sender: object, **kwargs: Any) -> None:
    """Receive, without being deferred."""


@pytest.mark.parametrize("wrong", [ordinary, "tests.recever", Signal(), None])
def test_what_is_no_deferred_receiver_is_refused(wrong: Any, defer: Connected) -> None:
    signal, recorder = Signal(), Recorder()
    defer(signal, name="tests.receiver")(recorder)
    with manual() as deferred:
        for ask in (deferred.assert_deferred, deferred.refute_deferred):
            with pytest.raises(InvalidReceiver, match="is no deferred receiver"):
                ask(wrong)


def test_misspelt_name_of_a_receiver_is_told_the_right_one(defer: Connected) -> None:
    signal, recorder = Signal(), Recorder()
    defer(signal, name="tests.receiver")(recorder)
    with manual() as deferred, pytest.raises(InvalidReceiver, match="Did you mean 'tests"):
        deferred.run_deferred("tests.recever")


def test_misspelt_kwarg_is_told_the_right_one(defer: Connected) -> None:
    def charge(sender: object, order_id: int, **kwargs: Any) -> None: ...

    signal = Signal()
    defer(signal)(charge)
    with manual() as deferred:
        signal.send(None, order_id=7, order_ids=[7])
        for ask in (deferred.assert_deferred, deferred.refute_deferred):
            with pytest.raises(TypeError, match=r"'ordr_id'. Did you mean 'order_id'\?"):
                ask(charge, ordr_id=7)
        deferred.assert_deferred(charge, order_ids=[7])  # it came, so it is no misspelling
        deferred.refute_deferred(charge, amount=7)


def test_kwarg_that_is_excluded_is_refused(signal: Signal, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal, exclude=("request",))(recorder)
    with manual() as deferred, pytest.raises(TypeError, match="its exclude= names it"):
        deferred.refute_deferred(recorder, request=ANY)


def test_functions_are_those_of_the_innermost_manual(signal: Signal, recorder: Recorder) -> None:
    with manual() as outer:
        signal.send(None, number=1)
        with manual():
            signal.send(None, number=2)
            assert_deferred(recorder, number=2)
            refute_deferred(recorder, number=1)
            assert len(all_deferred(recorder)) == 1
            assert [ran.outcome for ran in run_deferred()] == ["succeeded"]
            assert all_deferred() == []
        assert all_deferred() == outer.all_deferred()
    assert recorder.kwargs == [{"number": 2}]


def test_function_outside_of_a_manual_says_so(recorder: Recorder) -> None:
    for ask in (assert_deferred, refute_deferred):
        with pytest.raises(RuntimeError, match="No messages are collected here"):
            ask(recorder)


def test_collection_can_be_asked_after_its_block(signal: Signal) -> None:
    with manual() as deferred:

        @receiver(signal, deferred=True, name="tests.within")
        def within(sender: object, **kwargs: Any) -> None: ...

        signal.send(None, number=1)
    deferred.assert_deferred(within, number=1)


# What a message is, beside its kwargs.


@pytest.fixture
def kinds(signal: Signal, defer: Connected) -> None:
    """Connect receivers of each kind to the test's signal."""
    defer(signal, name="tests.plain")(Recorder())
    defer(signal, name="tests.durable", durable=True)(Recorder())
    defer(signal, name="tests.atomic", durable=True, atomic=True)(Recorder())
    by_customer = lambda sender, customer=None, **kwargs: customer  # noqa: E731
    defer(signal, name="tests.ordered", durable=True, ordered_by=by_customer)(Recorder())


@pytest.mark.usefixtures("kinds")
def test_call_tells_whether_it_is_durable_and_atomic_and_how_it_is_ordered(signal: Signal) -> None:
    with manual() as deferred:
        signal.send(None, customer=7)
        found = {
            call.receiver: (call.durable, call.atomic, call.ordered_by)
            for call in deferred.all_deferred()
        }
    assert found == {
        "tests.plain": (False, False, None),
        "tests.durable": (True, False, None),
        "tests.atomic": (True, True, None),
        "tests.ordered": (True, False, 7),
    }


@pytest.mark.usefixtures("kinds")
def test_assertions_ask_for_it_by_name(signal: Signal) -> None:
    with manual() as deferred:
        signal.send(None, customer=7)
        deferred.assert_deferred("tests.durable", customer=7, durable=True, atomic=False)
        deferred.assert_deferred("tests.ordered", ordered_by=7)
        deferred.refute_deferred("tests.ordered", ordered_by=8)
        deferred.refute_deferred("tests.plain", durable=True)
        assert [call.receiver for call in all_deferred(durable=False)] == ["tests.plain"]
        assert [call.receiver for call in deferred.all_deferred("tests.atomic", atomic=True)]
        assert [call.receiver for call in deferred.lose(durable=False)] == ["tests.plain"]


@pytest.mark.usefixtures("kinds")
def test_error_tells_how_a_message_travels_instead(signal: Signal) -> None:
    with manual() as deferred:
        signal.send(None, customer=7)
        with pytest.raises(AssertionError, match=r"plain\(customer=7\)  <- durable=False\n"):
            deferred.assert_deferred("tests.plain", customer=7, durable=True)
        with pytest.raises(AssertionError, match=r"ordered\(customer=7\)  <- ordered_by=7\n"):
            deferred.assert_deferred("tests.ordered", customer=7, ordered_by=8)
        with pytest.raises(TypeError, match="Did you mean 'durable'"):
            deferred.refute_deferred("tests.plain", durabel=True)


def test_kwarg_of_such_a_name_is_what_is_meant(signal: Signal, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal, durable=True)(recorder)
    with manual() as deferred:
        signal.send(None, durable="as steel")
        deferred.assert_deferred(recorder, durable="as steel")
        deferred.refute_deferred(recorder, durable=True)


def test_order_of_rows_is_that_of_an_instance(defer: Connected) -> None:
    recorder = Recorder()
    defer(post_save, sender=Article, durable=True, ordered_by="instance")(recorder)
    with manual() as deferred:
        article, other = Article.objects.create(), Article.objects.create()
        deferred.assert_deferred(recorder, instance=article, ordered_by=article)
        deferred.refute_deferred(recorder, instance=article, ordered_by=other)


def test_order_of_tuples_and_rows_is_told_as_it_was_given(signal: Signal, defer: Connected) -> None:
    recorder = Recorder()
    defer(signal, durable=True, ordered_by=lambda sender, key, **kwargs: key)(recorder)
    order = Order.objects.create()
    with manual() as deferred:
        signal.send(None, key=("a", 7))
        signal.send(None, key=order)
        signal.send(None, key=None)
        deferred.assert_deferred(recorder, ordered_by=("a", 7))
        deferred.assert_deferred(recorder, ordered_by=order)
        assert deferred.all_deferred()[-1].ordered_by is None
