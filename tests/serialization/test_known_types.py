"""Enums, dataclasses and named tuples: they travel to receivers that declare them."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import DecodeError
from deferred_signals.receivers import registry
from deferred_signals.serialization import CODEC, Codec, Unencodable, codec_for
from tests.support.connected import Connected
from tests.support.known_types import (
    RAN,
    Bits,
    Colour,
    Frozen,
    Grade,
    Level,
    Plain,
    Point,
    Rights,
    Slotted,
    Status,
    Strict,
    Word,
    receive,
)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return codec_for(receive)


def there_and_back(codec: Codec, value: object) -> Any:
    return codec.decode(json.loads(json.dumps(codec.encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "member",
    [
        Colour.RED,
        Colour.BLUE,
        Level.LOW,
        Word.YES,
        Status.PAID,
        Grade.TOP,
        Rights.READ,
        Rights(0),
        Rights.READ | Rights.WRITE,
        Bits.ONE | Bits.TWO,
        ~Rights.READ,
    ],
    ids=repr,
)
def test_member_comes_back_as_itself(codec: Codec, member: Any) -> None:
    assert there_and_back(codec, member) is member
    assert there_and_back(codec, [{member: (member,)}]) == [{member: (member,)}]
    (key,) = there_and_back(codec, {member})
    assert key is member


@pytest.mark.parametrize(
    "value",
    [
        Point(1),
        Point(x=1, y=[Point(2, Colour.RED)]),
        Plain("x"),
        Plain("x", Point(1, 2), [Colour.BLUE]),
        Frozen(1, Frozen(2)),
        Slotted(1, Plain("x")),
        Strict(status=Status.PAID, grades=(Grade.TOP,)),
    ],
    ids=repr,
)
def test_value_comes_back_equal_and_of_its_class(codec: Codec, value: Any) -> None:
    for nested in (value, [value], {"a": (value,)}):
        back = there_and_back(codec, nested)
        assert back == nested
    assert type(there_and_back(codec, value)) is type(value)


@pytest.mark.parametrize(
    "key",
    [Point(1, "x"), Frozen(1, Frozen(2)), Strict(status=Status.PAID, grades=(Grade.TOP,))],
    ids=repr,
)
def test_hashable_value_may_be_a_key(codec: Codec, key: Any) -> None:
    assert there_and_back(codec, {key: {key}}) == {key: {key}}


def test_no_constructor_runs(codec: Codec) -> None:
    value = Plain("x")
    form = codec.encode(value)
    RAN.clear()
    assert codec.decode(form) == value
    assert RAN == []


def test_field_that_init_does_not_take_is_kept(codec: Codec) -> None:
    value = Slotted(1)
    value.made = 7
    assert there_and_back(codec, value).made == 7


def test_frozen_value_stays_frozen(codec: Codec) -> None:
    with pytest.raises(AttributeError):
        there_and_back(codec, Frozen(1)).key = 2
    assert replace(there_and_back(codec, Frozen(1)), key=2) == Frozen(2)


@pytest.mark.parametrize("value", [Point(1), Frozen(1), Rights(3)], ids=repr)
def test_value_that_nobody_declared_is_refused_with_the_remedy(value: Any) -> None:
    with pytest.raises(Unencodable) as caught:
        CODEC.encode({"a": [value]})
    assert caught.value.path == "['a'][0]"
    name = type(value).__name__
    assert f"Annotate the receiver's argument with {name}" in caught.value.remedy
    assert f"register_type({name})" in caught.value.remedy


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Plain("x", colours=[object()]), ".colours[0]"),  # type: ignore[list-item]  # on purpose
        (Point(1, {"a": object()}), ".y['a']"),
        ([Slotted(1, Plain(object()))], "[0].b.name"),  # type: ignore[arg-type]  # on purpose
    ],
    ids=["dataclass", "named tuple", "nested"],
)
def test_path_leads_into_fields(codec: Codec, value: Any, path: str) -> None:
    with pytest.raises(Unencodable) as caught:
        codec.encode(value)
    assert type(caught.value.value) is object
    assert caught.value.path.replace("[1]", ".y") == path


def plain_class() -> Any:
    class Handler:
        def __call__(self, sender: object, colour: Colour, **kwargs: object) -> None: ...

        def method(self, sender: object, colour: Colour, **kwargs: object) -> None: ...

        @classmethod
        def of_class(cls, sender: object, colour: Colour, **kwargs: object) -> None: ...

        @staticmethod
        def static(sender: object, colour: Colour, **kwargs: object) -> None: ...

    return Handler()


@pytest.mark.parametrize("name", ["", "method", "of_class", "static"])
def test_annotations_of_any_callable_count(name: str, signal: Signal, defer: Connected) -> None:
    handler = plain_class()
    defer(signal, name="tests.handler")(getattr(handler, name) if name else handler)
    found = registry.find("tests.handler")
    assert found is not None
    assert there_and_back(found.codec, Colour.RED) is Colour.RED


def test_receivers_schema_declares_types_too(signal: Signal, defer: Connected) -> None:
    @dataclass
    class Shape:
        status: Status

    @defer(signal, schema=Shape, name="tests.shaped")
    def shaped(sender: object, **kwargs: object) -> None: ...

    found = registry.find("tests.shaped")
    assert found is not None
    assert there_and_back(found.codec, Status.PAID) is Status.PAID


@pytest.mark.parametrize(
    "form",
    [
        {"$enum": [f"{Colour.__module__}.Colour", "GREEN"]},
        {"$enum": [f"{Colour.__module__}.Colour", None, 7]},
        {"$enum": ["os.System", "x"]},
        {"$enum": [f"{Colour.__module__}.Plain", None, "called"]},
        {"$enum": [f"{Colour.__module__}.Point", None, 1]},
        {"$enum": [f"{Colour.__module__}.Point", "x"]},
        {"$dataclass": [f"{Colour.__module__}.Plain", {"point": None}]},
        {"$dataclass": [f"{Colour.__module__}.Plain", 7]},
        {"$dataclass": [f"{Colour.__module__}.Colour", {}]},
        {"$dataclass": [f"{Colour.__module__}.Point", {"x": 1, "y": 2}]},
        {"$namedtuple": [f"{Colour.__module__}.Point", [1, 2, 3]]},
        {"$namedtuple": [f"{Colour.__module__}.Plain", ["x", None, []]]},
        {"$namedtuple": [f"{Colour.__module__}.Point", 7]},
        {"$namedtuple": 7},
    ],
    ids=str,
)
def test_malformed_form_is_a_decode_error_and_nothing_is_called(codec: Codec, form: Any) -> None:
    RAN.clear()
    with pytest.raises(DecodeError):
        codec.decode(form)
    assert RAN == []
