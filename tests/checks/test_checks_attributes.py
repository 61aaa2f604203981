"""W005: attributes that a receiver asks for, and will not find on the worker."""

# ruff: noqa: SLF001, T201  # receivers to be read, never run

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core import checks
from django.db import models
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal

from deferred_signals.receivers.inspection import inspect_receiver
from tests.app.models import GiftOrder, Line, Order, PaidOrder, Ticket
from tests.checks import attribute_readers, attribute_readers_fine
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")


def found() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"])


def told() -> dict[str, str]:
    """Return the hint for each attribute, by the path that the check's message names."""
    return {
        message.msg.partition(" reads ")[2].partition(",")[0]: str(message.hint)
        for message in found()
        if message.id == "deferred_signals.W005"
    }


@pytest.mark.parametrize(
    "function",
    attribute_readers.ALL,
    ids=lambda item: getattr(item, "__qualname__", type(item).__name__),
)
def test_attribute_is_seen_in_every_form(function: Any, defer: Connected) -> None:
    defer(post_save, sender=Order, weak=False)(function)
    assert told().keys() == {"instance._old"}
    assert "carry=('_old',)" in told()["instance._old"]


def by_position(sender: Any, instance: Any, /, **kwargs: Any) -> None:
    print(instance._old)


def test_parameter_that_is_given_by_position_is_read_as_any_other() -> None:
    findings = inspect_receiver(by_position)
    assert findings is not None
    assert ("instance", "_old") in findings.reads


@pytest.mark.parametrize("function", attribute_readers.ALL[:8])
@pytest.mark.parametrize("signal", [post_save, post_delete])
def test_attribute_that_is_carried_is_fine(function: Any, signal: Any, defer: Connected) -> None:
    defer(signal, sender=Order, carry=["_old"])(function)
    assert told() == {}


@pytest.mark.parametrize("function", attribute_readers_fine.ALL)
@pytest.mark.parametrize("model", [Order, PaidOrder, GiftOrder, "tests_app.Order"])
def test_what_a_row_has_is_no_matter_for_a_warning(
    function: Any, model: Any, defer: Connected
) -> None:
    defer(post_save, sender=model)(function)
    assert told() == {}


@pytest.mark.parametrize(
    ("function", "senders"),
    [
        (attribute_readers_fine.is_of_several_models, [Order, Ticket]),
        (attribute_readers_fine.follows_one, [Order, Line]),
    ],
)
def test_receiver_of_several_models_may_ask_each_for_its_own(
    function: Any, senders: list[Any], defer: Connected
) -> None:
    for sender in senders:
        defer(post_save, name="tests.several", sender=sender)(function)
    assert told() == {}


def reads_wish(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.wish, instance.order_ptr, instance.status)


def reads_wish_too(sender: Any, **kwargs: Any) -> None:
    reads_wish(sender, **kwargs)


def test_field_of_a_child_is_none_of_its_parent(defer: Connected) -> None:
    defer(post_save, name="tests.child", sender=GiftOrder)(reads_wish)
    assert told() == {}
    defer(post_save, name="tests.parent", sender=Order)(reads_wish_too)
    assert told().keys() == {"instance.wish", "instance.order_ptr"}


class Known(models.Model):
    """Whatever its receivers ask for, it has: unless only ``__init__``, or other code, sets it."""

    declared: str
    constant = 1

    class Meta:
        app_label = "tests_never_made"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._loaded_name = 1

    def __str__(self) -> str:
        return "known"

    @property
    def of_property(self) -> int:
        raise AssertionError("a check runs no property")


class AnswersAll(Known):
    class Meta:
        app_label = "tests_never_made"

    def __getattr__(self, name: str) -> int:
        return 1


def reads_what_a_class_has(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.declared, instance.constant, instance.of_property, sender.constant)


def reads_what_is_loaded(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance._loaded_name, sender._made_up)


def test_attributes_of_a_class_body_are_known(defer: Connected) -> None:
    defer(post_save, sender=Known)(reads_what_a_class_has)
    assert told() == {}


def test_what_an_instance_keeps_since_it_was_loaded_is_another_one_on_the_worker(
    defer: Connected,
) -> None:
    defer(post_save, sender=Known)(reads_what_is_loaded)
    assert told().keys() == {"instance._loaded_name", "sender._made_up"}


def test_model_that_answers_for_every_attribute_is_not_asked(defer: Connected) -> None:
    defer(post_save, sender=AnswersAll)(attribute_readers.plain)
    assert told() == {}


def reads_of_related(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.order._by, instance.order.status, instance.order.lines.all()[0]._by)


def reads_of_related_too(sender: Any, **kwargs: Any) -> None:
    reads_of_related(sender, **kwargs)


def test_attribute_of_a_related_row_is_seen_and_may_be_carried(defer: Connected) -> None:
    defer(post_save, name="tests.related", sender=Line)(reads_of_related)
    assert told().keys() == {"instance.order._by"}
    assert "carry=('order._by',)" in told()["instance.order._by"]
    defer(post_save, name="tests.carries", sender=Line, carry=["order._by"])(reads_of_related_too)
    assert {message.msg.split()[1] for message in found()} == {"tests.related"}


def reads_of_either_side(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.name, instance.status, instance.labels, instance.orders, instance._actor)


@pytest.mark.parametrize("sender", [Order.labels.through, "tests_app.Order_labels"])
def test_instance_of_m2m_changed_is_of_either_side(sender: Any, defer: Connected) -> None:
    defer(m2m_changed, sender=sender)(reads_of_either_side)
    assert told().keys() == {"instance._actor"}


def reads_of_others(sender: Any, user: Any, order: Any, payload: Any, **kwargs: Any) -> None:
    print(user._ip, user.web_socket_id, user.email, user.is_authenticated, kwargs["actor"]._ip)
    print(order._by, order.total, order.flavour, payload.flavour, payload._secret, sender._view)
    print(payload._asdict(), payload.__len__())
    print(kwargs["signal"]._live_receivers)


def test_rows_of_a_signal_of_the_projects_own_are_told_by_their_names(
    signal: Signal, defer: Connected
) -> None:
    defer(signal)(reads_of_others)
    assert told().keys() >= {"user._ip", "user.web_socket_id", "actor._ip", "order._by"}
    assert told().keys() - {"user._ip", "user.web_socket_id", "actor._ip", "order._by"} == {
        "order.flavour",
        "payload._secret",
        "sender._view",
    }
    assert not any("carry=" in hint for hint in told().values())
    assert all("capture=lambda sender, " in hint for hint in told().values())


def reads_annotated(sender: object, buyer: User, note: dict[str, str], **kwargs: Any) -> None:
    print(buyer.email, buyer.nickname, note._private)  # type: ignore[attr-defined]  # to be found


def test_annotation_tells_the_model(signal: Signal, defer: Connected) -> None:
    defer(signal)(reads_annotated)
    assert told().keys() == {"buyer.nickname", "note._private"}


def reads_request(sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
    print(request.path, request.META["REMOTE_ADDR"], request.session.get("cart"), request.user)
    print(request.COOKIES, getattr(request, "tenant", None), user.username, user.last_login)


def test_what_no_snapshot_of_a_request_has_is_told(defer: Connected) -> None:
    defer(user_logged_in)(reads_request)
    assert told().keys() == {"request.COOKIES", "request.tenant"}
    assert "'COOKIES': getattr(request, 'COOKIES', None)" in told()["request.COOKIES"]


def test_hint_is_code_that_works(signal: Signal, defer: Connected) -> None:
    defer(signal)(reads_of_others)
    for path, hint in told().items():
        capture = eval(hint.partition("capture=")[2].removesuffix("."))  # noqa: S307 - our own text
        *_, name = path.split(".")
        given = {"sender": None, path.partition(".")[0]: SimpleNamespace(**{name: 7})}
        assert capture(**given) == {name.lstrip("_"): 7}
        assert capture(**{**given, path.partition(".")[0]: None}) == {name.lstrip("_"): None}


def test_old_value_may_be_had_as_a_change(defer: Connected) -> None:
    defer(post_save, name="tests.saved", sender=Order)(attribute_readers.plain)
    assert "when=changed(...)" in told()["instance._old"]


def test_old_value_of_a_deleted_row_is_no_change(defer: Connected) -> None:
    defer(post_delete, name="tests.deleted", sender=Order)(attribute_readers.plain)
    assert "changed" not in told()["instance._old"]


class FieldTracker:
    """As django-model-utils' one: it compares with what was loaded."""


class Tracked(models.Model):
    tracker = FieldTracker()

    class Meta:
        app_label = "tests_never_made"

    def __str__(self) -> str:
        return "tracked"


def asks_tracker(sender: Any, instance: Any, **kwargs: Any) -> None:
    if instance.tracker.has_changed("name"):
        print(instance.tracker.previous("name"))


def test_tracker_of_changes_knows_of_none_on_the_worker(defer: Connected) -> None:
    defer(post_save, sender=Tracked)(asks_tracker)
    (message,) = found()
    assert message.id == "deferred_signals.W005"
    assert "instance.tracker" in message.msg
    assert "when=changed(...)" in str(message.hint)
