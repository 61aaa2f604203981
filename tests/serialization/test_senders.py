"""Senders: what travels for a sender, and what arrives."""

import json
import types
from typing import Any

import pytest
from django.apps import AppConfig, apps
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.utils.functional import cached_property

from deferred_signals.serialization import (
    CODEC,
    SenderNotLoaded,
    Unencodable,
    decode_sender,
    encode_sender,
    sender_value,
)
from tests.app.models import GiftOrder, Label, Order, PaidOrder


class View:
    """A sender as `sender=self` gives it."""

    class Meta:
        """Inside another."""

    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...

    @property
    def attribute(self) -> None:
        pytest.fail("a property ran")

    @cached_property
    def cached(self) -> None:
        pytest.fail("a property ran")


def function() -> None: ...


module_level_instance = View()


def there_and_back(sender: object) -> Any:
    return decode_sender(json.loads(json.dumps(encode_sender(CODEC, sender_value(sender)))))


@pytest.mark.parametrize(
    "sender",
    [
        None,
        "django.contrib.auth",
        "",
        Order,
        PaidOrder,
        GiftOrder,
        Order.labels.through,
        get_user_model(),
        type(None),
        int,
        View,
        View.Meta,
        View.method,
        WSGIHandler,
        AppConfig,
        function,
        json,
        json.dumps,
        json.JSONEncoder,
        types,
    ],
    ids=lambda sender: getattr(sender, "__qualname__", None) or repr(sender)[:40],
)
def test_sender_arrives_as_the_object_that_it_is(sender: object) -> None:
    assert there_and_back(sender) is sender or there_and_back(sender) == sender


def test_app_config_arrives_as_the_registrys() -> None:
    config = apps.get_app_config("tests_app")
    assert there_and_back(config) is config


@pytest.mark.parametrize(
    ("sender", "arrives"),
    [
        (module_level_instance, View),
        (View(), View),
        (3, int),
        (b"x", bytes),
        ([1], list),
        (module_level_instance.method, types.MethodType),
        (print, types.BuiltinFunctionType),
    ],
    ids=["instance", "another", "int", "bytes", "list", "method", "builtin"],
)
def test_any_other_object_goes_as_its_class(sender: object, arrives: type) -> None:
    try:
        assert there_and_back(sender) is arrives
    except Unencodable as error:
        assert "does not lead back" in error.reason  # noqa: PT017 - such types have no true path


def test_unsaved_instance_goes_as_its_class() -> None:
    assert there_and_back(Label(name="new")) is Label


def local() -> Any:
    class Local: ...

    def inner() -> None: ...

    return Local, Local(), inner


@pytest.mark.parametrize("place", [0, 1, 2], ids=["class", "instance", "function"])
def test_sender_that_no_path_leads_to_is_refused(place: int) -> None:
    with pytest.raises(Unencodable, match="does not lead back"):
        sender_value(local()[place])


def test_class_that_hides_behind_anothers_name_is_refused() -> None:
    impostor = type("View", (), {"__module__": __name__})
    with pytest.raises(Unencodable, match="does not lead back"):
        sender_value(impostor)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (["shop.views", "Checkout"], "shop.views.Checkout"),
        (["shop.views", ""], "shop.views"),
        ([__name__, "Nothing"], f"{__name__}.Nothing"),
        ([__name__, "View.Nothing"], f"{__name__}.View.Nothing"),
        ([__name__, "module_level_instance"], f"{__name__}.module_level_instance"),
        ([__name__, "View.attribute"], f"{__name__}.View.attribute"),
        ([__name__, "View.cached"], f"{__name__}.View.cached"),
        ([__name__, "View.attribute.fget"], f"{__name__}.View.attribute.fget"),
    ],
)
def test_sender_that_this_process_does_not_have_arrives_as_its_path(
    parts: list[str], path: str
) -> None:
    assert decode_sender({"$named": parts}) in {
        SenderNotLoaded(path),
        View.__dict__["attribute"].fget,
    }
