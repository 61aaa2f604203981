"""W009 and W010: what a receiver writes on its kwargs, nobody but itself will see."""

# ruff: noqa: SLF001, T201  # receivers to be read, never run

import logging
from typing import Any

import pytest
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import Signal

from tests.app.models import Line, Order
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")

logger = logging.getLogger(__name__)


def told() -> dict[str, str]:
    """Return the text of each warning about a write, by its id."""
    messages = checks.run_checks(tags=["deferred_signals"])
    return {str(message.id)[-4:]: f"{message.msg} {message.hint}" for message in messages}


def sets(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"


def adds(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.total += 1


def sets_with_setattr(sender: Any, instance: Any, **kwargs: Any) -> None:
    setattr(instance, "status", "seen")  # noqa: B010 - one of the ways


def sets_in_dict(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.__dict__["status"] = "seen"


def updates_dict(sender: Any, instance: Any, **kwargs: Any) -> None:
    vars(instance).update(status="seen")


def sets_of_kwargs(sender: Any, **kwargs: Any) -> None:
    kwargs["instance"].status = "seen"


def sets_in_a_tuple(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status, other = "seen", 1
    print(other)


def deletes(sender: Any, instance: Any, **kwargs: Any) -> None:
    del instance.status


def logs_what_it_set(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    logger.info("%s is %s now", instance, instance.status)
    print(f"{instance}")


def sets_after_the_save(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.save(update_fields=["total"])
    instance.status = "seen"


def _set(order: Any) -> None:
    order.status = "seen"


def sets_in_a_helper(sender: Any, instance: Any, **kwargs: Any) -> None:
    _set(instance)


async def sets_in_a_coroutine(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"


@pytest.mark.parametrize(
    "function",
    [
        sets,
        adds,
        sets_with_setattr,
        sets_in_dict,
        updates_dict,
        sets_of_kwargs,
        sets_in_a_tuple,
        deletes,
        logs_what_it_set,
        sets_after_the_save,
        sets_in_a_helper,
        sets_in_a_coroutine,
    ],
)
def test_w009_field_that_is_set_and_not_saved(function: Any, defer: Connected) -> None:
    defer(post_save, name="tests.writer", sender=Order)(function)
    assert told().keys() == {"W009"}
    assert "tests.writer sets instance." in told()["W009"]
    assert "save(update_fields=[" in told()["W009"]


def saves_the_field(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    instance.save(update_fields=["status"])


async def saves_the_field_async(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    await instance.asave(update_fields={"status"})


def saves_in_a_helper(sender: Any, instance: Any, **kwargs: Any) -> None:
    _set(instance)
    _save(instance)


def _save(order: Any) -> None:
    order.save(update_fields=["status"])


def saves_after_the_commit(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    transaction.on_commit(instance.save)


def saves_in_bulk(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    Order.objects.bulk_update([instance], ["status"])


def updates(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    Order.objects.filter(pk=instance.pk).update(status=instance.status)


def updates_before(sender: Any, instance: Any, **kwargs: Any) -> None:
    Order.objects.filter(pk=instance.pk).update(total=F("total") + 1)
    instance.total += 1


def saves_by_its_own_method(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    instance.mark_as_seen()


def gives_it_on(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.status = "seen"
    sender.store(instance)


def saves_if_it_set(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    names = []
    if created:
        instance.status = "seen"
        names.append("status")
    if names:
        instance.save(update_fields=names)


def keeps_a_note(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance._note = instance.labels.count()
    print(instance._note)


def makes_a_copy(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.pk = None
    instance._state.adding = True
    instance.status = "copy"
    instance.save()


def saves_something_else(sender: Any, instance: Any, **kwargs: Any) -> None:
    order = Order(status=instance.status)
    order.total = instance.total
    order.save()
    for instance in Order.objects.all():  # noqa: PLR1704 - a name may stand for something else
        instance.status = "seen"
        instance.save()


def saves_a_related_row(sender: Any, instance: Any, **kwargs: Any) -> None:
    order = instance.order
    order.status = "seen"
    order.save()
    instance.order.labels.add("seen")


def only_saves(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance.lines.create()
    instance.save()


@pytest.mark.parametrize(
    "function",
    [
        saves_the_field,
        saves_the_field_async,
        saves_in_a_helper,
        saves_after_the_commit,
        saves_in_bulk,
        updates,
        updates_before,
        saves_if_it_set,
        gives_it_on,
        keeps_a_note,
        makes_a_copy,
        saves_something_else,
        only_saves,
    ],
)
def test_field_that_is_saved_is_no_matter_for_a_warning(function: Any, defer: Connected) -> None:
    defer(post_save, sender=Order)(function)
    assert {text for name, text in told().items() if name in {"W009", "W010"}} == set()


def test_method_of_the_row_may_save_what_was_set(defer: Connected) -> None:
    defer(post_save, sender=Order)(saves_by_its_own_method)
    assert "W009" not in told()


def test_related_row_that_is_saved_is_no_matter_for_a_warning(defer: Connected) -> None:
    defer(post_save, sender=Line)(saves_a_related_row)
    assert told() == {}


def names_the_new(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    if created:
        instance.status = "named"
        instance.total += 1
        instance.save()


def names_the_new_in_a_helper(sender: Any, **kwargs: Any) -> None:
    if kwargs["created"]:
        instance = kwargs["instance"]
        _set(instance)
        _save_whole(instance)


def _save_whole(order: Any) -> None:
    order.save()


async def names_the_new_async(sender: Any, instance: Any, created: bool, **kwargs: Any) -> None:
    instance.status = "named"
    await instance.asave()


@pytest.mark.parametrize(
    "function", [names_the_new, names_the_new_in_a_helper, names_the_new_async]
)
def test_w010_instance_that_is_saved_whole(function: Any, defer: Connected) -> None:
    defer(post_save, name="tests.namer", sender=Order)(function)
    assert told().keys() == {"W010"}
    assert "tests.namer sets instance.status" in told()["W010"]
    assert "save(update_fields=['status'" in told()["W010"]
    assert "refresh_from_db()" in told()["W010"]


def writes_in_session(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    request.session["seen"] = user.pk


def writes_in_meta(sender: Any, request: Any, **kwargs: Any) -> None:
    request.META["REMOTE_USER"] = "ada"


def pops_from_session(sender: Any, **kwargs: Any) -> None:
    session = kwargs["request"].session
    session.pop("cart", None)


def updates_session(sender: Any, request: Any, **kwargs: Any) -> None:
    request.session.update(cart=[])
    request.session.save()


def sets_on_request(sender: Any, request: Any, **kwargs: Any) -> None:
    request.path = "/"
    print(request.path)


@pytest.mark.parametrize(
    "function",
    [writes_in_session, writes_in_meta, pops_from_session, updates_session, sets_on_request],
)
def test_w009_request_that_is_changed(function: Any, defer: Connected) -> None:
    defer(user_logged_in)(function)
    assert "changes request." in told()["W009"]
    assert "cannot be deferred" in told()["W009"]


def saves_the_user(sender: Any, request: Any, **kwargs: Any) -> None:
    request.user.first_name = "Ada"
    request.user.save(update_fields=["first_name"])


def reads_session(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    print(request.session.get("cart"), request.META.get("REMOTE_ADDR"), request.session["cart"])


@pytest.mark.parametrize("function", [reads_session, saves_the_user])
def test_request_that_is_read_is_fine(function: Any, defer: Connected) -> None:
    defer(user_logged_in)(function)
    assert told() == {}


def collects(sender: Any, menu: Any, **kwargs: Any) -> None:
    menu.append("orders")


def fills(sender: Any, context: Any, **kwargs: Any) -> None:
    context["orders"] = 3


def fills_of_kwargs(sender: Any, **kwargs: Any) -> None:
    kwargs["context"].setdefault("orders", 3)


def removes(sender: Any, **kwargs: Any) -> None:
    del kwargs["context"]["orders"]


@pytest.mark.parametrize("function", [collects, fills, fills_of_kwargs, removes])
def test_w009_what_the_sender_collects(function: Any, signal: Signal, defer: Connected) -> None:
    defer(signal)(function)
    assert "a copy on the worker" in told()["W009"]


def fills_and_posts(sender: Any, context: Any, tags: Any, **kwargs: Any) -> None:
    context["orders"] = 3
    sender.render(context)
    tags.add("seen")
    kwargs["order"].labels.add("seen")
    kwargs["extra"] = 1


def test_what_the_receiver_itself_goes_on_with_is_fine(signal: Signal, defer: Connected) -> None:
    defer(signal)(fills_and_posts)
    assert told() == {}


def sets_on_a_row(sender: Any, order: Any, **kwargs: Any) -> None:
    order.status = "paid"


def sets_on_the_sender(sender: Any, **kwargs: Any) -> None:
    sender.calls += 1


@pytest.mark.parametrize("function", [sets_on_a_row, sets_on_the_sender])
def test_w009_any_kwarg(function: Any, signal: Signal, defer: Connected) -> None:
    defer(signal)(function)
    assert "W009" in told()
