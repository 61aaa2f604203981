"""Marked and lazy strings, paths, exceptions and lazy wrappers."""

import json
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.functional import SimpleLazyObject, lazy, lazystr
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy, ngettext_lazy

from deferred_signals import ExceptionSummary
from deferred_signals.serialization import CODEC, Unencodable

format_html_lazy = lazy(format_html, SafeString)


def there_and_back(value: object) -> Any:
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        mark_safe("<b>&</b>"),
        mark_safe(""),
        mark_safe("\0\ud83d\ude00"),
        Path("/tmp/a b"),  # noqa: S108
        Path("relative/☃"),
        Path(),
        PurePosixPath("/x"),
        PureWindowsPath("C:\\x"),
        Path("undecodable-\udc80"),
        PurePosixPath("\ud83d\ude00"),
        ExceptionSummary("LookupError", "gone", "Traceback …"),
    ],
    ids=ascii,
)
def test_value_comes_back_as_itself_also_as_a_key(value: Any) -> None:
    for nested in (value, [value], {value: (value,)}, frozenset({value})):
        assert there_and_back(nested) == nested
    assert type(there_and_back(value)) is type(value)


def test_safe_string_does_not_make_plain_ones_safe() -> None:
    safe, plain = there_and_back([mark_safe("<b>"), "<b>"])
    assert type(safe) is SafeString
    assert type(plain) is str


def test_lazy_string_goes_in_the_senders_language() -> None:
    with translation.override("de"):
        form = json.dumps(CODEC.encode({gettext_lazy("Monday"): [gettext_lazy("January")]}))
    with translation.override("fr"):
        assert CODEC.decode(json.loads(form)) == {"Montag": ["Januar"]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (lazystr("x"), "x"),
        (ngettext_lazy("%d day", "%d days", 2) % 2, "2 days"),
        (lazy(lambda: "$set", str)(), "$set"),
    ],
    ids=["lazystr", "plural", "like a tag"],
)
def test_any_lazy_string_goes_as_its_text(value: Any, text: str) -> None:
    assert there_and_back([value]) == [text]
    assert type(there_and_back(value)) is str


def test_lazy_html_stays_safe() -> None:
    back = there_and_back(format_html_lazy("<b>{}</b>", "&"))
    assert back == "<b>&amp;</b>"
    assert type(back) is SafeString


def test_lazy_value_that_is_no_string_is_refused() -> None:
    with pytest.raises(Unencodable, match="only strings travel"):
        CODEC.encode(lazy(lambda: 3, int)())


@pytest.mark.urls("tests.sending.test_builtin_signals")
def test_lazy_url_goes_as_its_path() -> None:
    assert there_and_back(reverse_lazy("page")) == "/page/"


class OwnPath(PurePosixPath): ...


def test_path_of_another_class_is_refused() -> None:
    with pytest.raises(Unencodable):
        CODEC.encode(OwnPath("/x"))
    assert isinstance(OwnPath("/x"), PurePath)


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as raised:
        return raised


def test_exception_goes_as_its_type_message_and_traceback() -> None:
    back = there_and_back(caught(LookupError("gone ☃")))
    assert isinstance(back, ExceptionSummary)
    assert (back.type, back.message) == ("LookupError", "gone ☃")
    assert "in caught" in back.traceback
    assert str(back) == "LookupError: gone ☃"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (Unencodable(1), "deferred_signals.serialization.unencodable.Unencodable"),
        (KeyError("x"), "KeyError"),
        (SystemExit(3), "SystemExit"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"), "UnicodeDecodeError"),
        (ExceptionGroup("two", [ValueError(1), TypeError(2)]), "ExceptionGroup"),
    ],
    ids=["ours", "key", "exit", "arguments", "group"],
)
def test_any_exception_goes_with_its_name(error: BaseException, name: str) -> None:
    back = there_and_back([error])[0]
    assert back.type == name


def test_cause_of_an_exception_is_in_the_traceback() -> None:
    error = ValueError("outer")
    error.__cause__ = caught(KeyError("inner"))
    assert "inner" in there_and_back(error).traceback


def test_exceptions_may_be_keys() -> None:
    ((key, value),) = there_and_back({ValueError("x"): 1}).items()
    assert (key.message, value) == ("x", 1)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_exception_that_cannot_be_told_is_no_error_of_the_senders() -> None:
    assert there_and_back(Mute()).type.endswith("Mute")


@pytest.mark.parametrize("value", [7, "text", [1, {"a": (2,)}], None], ids=repr)
def test_lazy_object_goes_as_what_it_stands_for(value: Any) -> None:
    assert there_and_back([SimpleLazyObject(lambda: value)]) == [value]
    inner = SimpleLazyObject(lambda: value)
    assert there_and_back(SimpleLazyObject(lambda: inner)) == value


def test_lazy_object_may_be_a_key() -> None:
    assert there_and_back({SimpleLazyObject(lambda: "a"): 1}) == {"a": 1}


def test_lazy_object_that_stands_for_what_cannot_travel_is_refused() -> None:
    with pytest.raises(Unencodable) as error:
        CODEC.encode([SimpleLazyObject(object)])
    assert error.value.path == "[0]"


def test_anonymous_user_comes_back_anonymous() -> None:
    users = there_and_back({AnonymousUser(): [AnonymousUser(), SimpleLazyObject(AnonymousUser)]})
    assert users == {AnonymousUser(): [AnonymousUser(), AnonymousUser()]}
