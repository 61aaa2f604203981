"""Forms that no encoder wrote: they are a `DecodeError`, and nothing else happens."""

import json
import sys
from typing import Any, ClassVar

import pytest

from deferred_signals import DecodeError
from deferred_signals.serialization import CODEC, decode_sender
from tests.fuzz.places import tags_of

ODD: list[Any] = [
    None, True, 0, -1, 1.5, float("nan"), 10**30, "", "x", "0x", [], [1], [1, 2], [1, 2, 3, 4, 5],
    [[1]], [None, None], ["a", "b"], ["a", "b", "c"], ["a", 1, "default"], ["", ""], {}, {"a": 1},
    {"$set": [[]]}, [{"$dict": []}], [["a"]], [["a", 1, 2]], [[[1], 2]], ["sys", 3],
    ["2026-01-01T00:00:00", 0, 3], ["2026-01-01T00:00:00", 2, None],
    ["2026-01-01T00:00:00", 0, ["x", "y"]], ["2026-01-01T00:00:00", 0, "../../etc/passwd"],
    ["tests_app.Order", [1], "default"], ["tests_app.Order", 1, "nowhere"],
    ["tests_app.Order", 1, ["default"]], ["tests_app.Nothing", 1, "default"],
    [3, 1, "default"], [["x"], 1, "default"], [10**30, 0, 0], ["nan", 0, 0], "é", "=" * 5,
    "9" * 40,
]  # fmt: skip

TAGS = tags_of(CODEC)


@pytest.mark.parametrize("tag", TAGS)
def test_odd_content_of_a_tag_gives_a_value_or_a_decode_error(tag: str) -> None:
    for content in ODD:
        for form in ({tag: content}, [{tag: {"$list": content}}], {tag: {tag: content}}):
            try:
                CODEC.decode(form)
            except DecodeError:
                continue


@pytest.mark.parametrize(
    "form",
    [
        {"$nothing": 1},
        {"$": 1},
        {"$set": [1], "$tuple": [1]},
        {"$set": [1], "plain": 1},
        {"plain": 1, "$set": [1]},
        {"$set": [[]]},
        {"$set": [{}]},
        {"$dict": [[[], 1]]},
        {"$dict": [1]},
        {"$dict": [[1]]},
        {"$tuple": 3},
        {"$int": 3},
        {"$int": "no number"},
        {"$float": "1.5"},
        {"$bytes": "§"},
        {"$bytes": "abc"},
        {"$decimal": 1.5},
        {"$decimal": "one"},
        {"$uuid": 3},
        {"$uuid": "xyz"},
        {"$date": "2026-13-01"},
        {"$date": 3},
        {"$timedelta": 3},
        {"$timedelta": [10**12, 0, 0]},
        {"$datetime": "the first of May"},
        {"$datetime": ["2026-01-01T00:00:00", 2, None]},
        {"$datetime": ["2026-01-01T00:00:00", 0, "Mars/Olympus"]},
        {"$datetime": ["2026-01-01T00:00:00", 0, "../UTC"]},
        {"$time": ["25:00", 0, None]},
        {"$model": "tests_app.Nothing"},
        {"$model": "nothing"},
        {"$model": 3},
        {"$model": ["tests_app", "Order"]},
        {"$ref": ["tests_app.Order", 1, "nowhere"]},
        {"$ref": ["tests_app.Order", [1], "default"]},
        {"$ref": ["tests_app.Order", 1]},
        {"$ref": 3},
        {"$app": "nothing"},
        {"$app": []},
        {"$named": ["os", "system"]},
        {"$same": 3},
        {"$lists": {"a": 1}},
        {"$ip": ["IPv4Address", 7]},
        {"$ip": ["Fraction", "1"]},
        {"$zone": "../UTC"},
        {"$safe": [1]},
        {"$exception": ["a", "b"]},
        {"$exception": ["a", "b", 3]},
        {"$path": ["Path", 3]},
        {"$request": {"method": 3}},
        {"$request": {"session": 3}},
        {"$rows": ["tests_app.Order", [[1]], "default"]},
        {"$ref": ["tests_app.Order", {"$row": ["tests_app.Order", "saved", None, {}]}, "default"]},
        {"$ref": ["tests_app.Order", {"$set": [1]}, "default"]},
    ],
    ids=str,
)
def test_malformed_form_is_a_decode_error(form: object) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(form)
    with pytest.raises(DecodeError):
        CODEC.decode({"deep": [form]})


@pytest.mark.parametrize("form", [{"$named": "os.system"}, {"$named": [1, 2]}], ids=str)
def test_malformed_sender_is_a_decode_error(form: object) -> None:
    with pytest.raises(DecodeError):
        decode_sender(form)


def test_form_that_is_nested_without_end_is_a_decode_error() -> None:
    form: Any = []
    for _ in range(100_000):
        form = [form]
    with pytest.raises(DecodeError):
        CODEC.decode(form)
    while form:  # taken apart here, since its end would nest as deeply
        form = form.pop()


def test_error_keeps_the_form() -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode({"$nothing": 1})
    assert caught.value.payload == {"$nothing": 1}


def test_nothing_that_a_message_names_is_imported() -> None:
    assert "antigravity" not in sys.modules
    decode_sender({"$named": ["antigravity", "fly"]})
    decode_sender({"$named": ["tests.project.no_such_module", ""]})
    assert "antigravity" not in sys.modules


class Trap:
    """Notes whatever is called or computed on it."""

    sprung: ClassVar[list[str]] = []

    @property
    def attribute(self) -> None:
        self.sprung.append("property")

    def __get__(self, *args: object) -> None:
        self.sprung.append("descriptor")

    def __getattr__(self, name: str) -> None:
        self.sprung.append(name)

    def __call__(self) -> None:
        self.sprung.append("call")


trap = Trap()


class Holder:
    held = trap


@pytest.mark.parametrize(
    "path", ["trap", "trap.attribute", "trap.missing", "trap.__call__", "Holder.held",
             "Holder.held.attribute", "Trap.attribute"]
)  # fmt: skip
def test_nothing_that_a_message_names_is_called(path: str) -> None:
    Trap.sprung.clear()  # pytest looked at it while it collected
    decode_sender({"$named": [__name__, path]})
    assert Trap.sprung == []


def test_forms_are_decoded_from_real_json() -> None:
    assert CODEC.decode(json.loads('{"$tuple":[{"$set":[1]}]}')) == ({1},)
