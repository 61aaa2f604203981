"""Values to JSON and back: each type comes back as itself."""

import json
import math
import zoneinfo
from collections import namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from deferred_signals.serialization import CODEC, Unencodable
from deferred_signals.serialization import values as serialization_values

Point = namedtuple("Point", "x y")  # noqa: PYI024 - the plainest one there is


def there_and_back(value: object) -> Any:
    """Encode a value into real JSON, and decode it."""
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value), allow_nan=False)))


def repr_of(value: object) -> str:
    """Write a value so that different values differ; Python writes no very large int in decimal."""
    return hex(value)[:80] if isinstance(value, int) else repr(value)


def same(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down."""
    return one == other and repr_of(one) == repr_of(other) and type(one) is type(other)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**53 + 1,
        2**63 - 1,
        2**63,
        -(2**63),
        -(2**63) - 1,
        10**5000,
        -(10**5000),
        0.0,
        -0.0,
        0.1,
        5e-324,
        1.7976931348623157e308,
        math.inf,
        -math.inf,
        "",
        "text",
        "\0",
        "☃\U0001f600",
        "\ud800",
        "\ud83d\ude00",
        "\udc80 of a file name",
        "$set",
        b"",
        b"\0\xff",
        Decimal("12.50"),
        Decimal("-0"),
        Decimal("1E+1000"),
        Decimal("Infinity"),
        UUID(int=7),
        date(1, 1, 1),
        timedelta(0),
        timedelta(days=-999999999),
        timedelta(days=3, seconds=1, microseconds=999_999),
        time(0, 0),
        time(23, 59, 59, 999_999, fold=1),
        time(1, 2, tzinfo=UTC),
        time(1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(1, 1, 1),  # noqa: DTZ001 - naive ones travel too
        datetime(2026, 1, 31, 8, 30, 0, 1),  # noqa: DTZ001
        datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=1), "one o'clock")),
        datetime(2026, 1, 31, tzinfo=timezone(timedelta(0), "zero")),
        datetime(2026, 1, 31, tzinfo=timezone(timedelta(seconds=1))),
        datetime(2026, 1, 31, tzinfo=ZoneInfo("UTC")),
        datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        [],
        (),
        set(),
        frozenset(),
        {},
        [1, (2, [3]), {4}, frozenset({5})],
        {(1, "a")},
        {frozenset({2})},
        {"a": {"b": [None]}},
        {1: "int", "1": "text", (1,): "tuple", None: "none", 2.5: "float", b"1": "bytes"},
        {date(2026, 1, 1): 1, UUID(int=1): 2, frozenset({1}): 3, Decimal("1.5"): 4},
        {True: "flag"},
        {"$set": [1]},
        {"$dict": [["a", 1]]},
        {"$": 1, "plain": 2},
        {"$unknown": {"$ref": ["tests_app.Order", 1, "default"]}},
        {"__type__": "datetime", "__value__": "2026-01-01"},
        [{"$tuple": [1]}, ({"$int": "ff"},)],
    ],
    ids=lambda value: f"{type(value).__name__} {repr_of(value)}",
)  # fmt: skip
def test_value_comes_back_as_it_was(value: object) -> None:
    assert same(there_and_back(value), value)


def test_nan_comes_back() -> None:
    assert math.isnan(there_and_back(math.nan))
    assert str(there_and_back(Decimal("NaN123"))) == "NaN123"
    assert there_and_back(Decimal("sNaN")).is_snan()


def test_order_of_a_dict_is_kept() -> None:
    assert list(there_and_back({"b": 1, "a": 2})) == ["b", "a"]
    assert list(there_and_back({2: 1, 1: 2})) == [2, 1]


def test_fold_and_zone_of_an_aware_datetime_are_kept() -> None:
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    back = there_and_back(second)
    assert back.fold == 1
    assert back.tzinfo is ZoneInfo("Europe/Berlin")
    assert back.utcoffset() == timedelta(hours=1)


def test_utc_is_the_one_there_is() -> None:
    assert there_and_back(datetime(2026, 1, 1, tzinfo=UTC)).tzinfo is UTC


def test_plain_json_stays_plain() -> None:
    value = {"a": [1, 2.5, "x", None, True], "b": {"c": []}}
    assert CODEC.encode(value) == value


class Text(str):
    __slots__ = ()


class Number(int): ...


class Moment(datetime): ...


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None, /) -> timedelta:
        return timedelta(0)

    def dst(self, moment: datetime | None, /) -> timedelta:
        return timedelta(0)

    def tzname(self, moment: datetime | None, /) -> str:
        return "of our own"


@pytest.mark.parametrize(
    "value",
    [
        object(),
        object,
        print,
        iter(()),
        Point(1, 2),
        complex(1, 2),
        Fraction(1, 2),
        range(3),
        {}.keys(),
        datetime(2026, 1, 1, tzinfo=Zone()),
        time(1, tzinfo=Zone()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(Unencodable):
        CODEC.encode(value)


def test_moment_of_a_clock_that_a_test_stopped_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    # As freezegun does: derived types in the places of the standard library's, in every module.
    monkeypatch.setattr(serialization_values, "datetime", Moment)
    moment = Moment(2026, 1, 31, 12, 30, tzinfo=UTC, fold=1)
    back = CODEC.decode(CODEC.encode([moment, moment.date(), moment.timetz()]))
    assert back == [moment, moment.date(), moment.timetz()]
    assert type(back[0]) is datetime


def test_zone_without_a_name_is_refused() -> None:
    paths = [Path(folder) / "Europe/Berlin" for folder in zoneinfo.TZPATH]
    with next(path for path in paths if path.exists()).open("rb") as file:
        nameless = ZoneInfo.from_file(file)
    with pytest.raises(Unencodable) as caught:
        CODEC.encode(datetime(2026, 1, 1, tzinfo=nameless))
    assert "name" in caught.value.reason


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), ""),
        ([1, object()], "[1]"),
        ({"a": [(object(),)]}, "['a'][0][0]"),
        ({1: {"b": object()}}, "[1]['b']"),
        ({"a": {object()}}, "['a']{...}"),
        ({"$a": object()}, "['$a']"),
    ],
    ids=["itself", "list", "nested", "keyed", "set", "tagged"],
)
def test_path_leads_to_what_cannot_travel(value: object, path: str) -> None:
    with pytest.raises(Unencodable) as caught:
        CODEC.encode(value)
    assert caught.value.path == path
    assert type(caught.value.value) is object


def test_path_leads_to_a_key_that_cannot_travel() -> None:
    with pytest.raises(Unencodable) as caught:
        CODEC.encode({"a": {(1, Fraction(1, 2)): 1}})
    assert caught.value.path.startswith("['a'] key (1, Fraction(1, 2))")


def itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [itself(), {"a": itself()}, (1, itself()), {(object(),): itself()}],
    ids=["list", "dict", "tuple", "beside a key that cannot travel"],
)
def test_value_that_contains_itself_is_refused(value: object) -> None:
    with pytest.raises(Unencodable):
        CODEC.encode(value)


def keyed(items: list[Any]) -> dict[int, Any]:
    return {1: items[0]}


@pytest.mark.parametrize("kind", [list, tuple, keyed])
def test_what_is_encoded_is_decoded_however_deep(kind: Any) -> None:
    value: Any = None
    for depth in range(2000):
        value = kind([value])
        if depth % 20:
            continue
        try:
            form = CODEC.encode(value)
        except Unencodable:
            break
        CODEC.decode(json.loads(json.dumps(form)))
    else:
        pytest.fail("it went on for ever")
