"""Messages from strangers: each is read or is a `DecodeError`; nothing is imported and nothing called."""

import json
import sys
import tracemalloc
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from deferred_signals import DecodeError
from deferred_signals.message import Message
from deferred_signals.message.wire import pack, unpack
from deferred_signals.serialization import CODEC

CALLED: list[str] = []


def load() -> object:
    CALLED.append("a lazy object was set up")
    return object()


lazy = SimpleLazyObject(load)


def text_of(**changes: Any) -> str:
    """Write the payload of a message for a receiver that nobody has, with something changed."""
    return json.dumps(
        {
            "v": 1,
            "id": "5f1c",
            "receiver": "tests.nobody",
            "signal": "tests.app.signals.order_placed",
            "sender": None,
            "kwargs": {},
            "using": "default",
            "sent_at": 1e9,
            "depth": 0,
            "attempt": 1,
            "redeliveries": 0,
            "version": 1,
            "context": {},
            **changes,
        }
    )


def test_text_is_a_message() -> None:
    assert unpack(text_of()).receiver == "tests.nobody"


NO_MESSAGES: list[object] = [
    None,
    7,
    b"{}",
    ["text"],
    {"v": 1},
    "",
    "x",
    "{}",
    "[]",
    "null",
    "\ud800",
    "\ud800:{}",
    "é:{}",
    ":",
    "::",
    ":{}",
    "[" * 100_000,
    '{"a":' * 100_000,
    "9" * 100_000,
    '"\\ud800"',
    "NaN",
    '{"v": NaN}',
    text_of()[:-1],
    text_of() + "x",
    text_of(v=2),
    text_of(v="1"),
    text_of(v=True),
    text_of(id=7),
    text_of(receiver=None),
    text_of(kwargs=[]),
    text_of(context=[]),
    text_of(attempt=0),
    text_of(attempt=1.5),
    text_of(attempt=True),
    text_of(redeliveries=-1),
    text_of(version=0),
    text_of(depth="0"),
    text_of(sent_at=1e300),
    text_of(sent_at=10**400),
    text_of(sent_at=float("nan")),
    text_of(sent_at="now"),
    text_of(id="x" * 1000),
    text_of(id="\ud800"),
    text_of(kwargs={"a": json.loads("[" * 500 + "]" * 500)}),
    " " * 1_000_000,
]


@pytest.mark.parametrize("signing", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "payload", NO_MESSAGES, ids=[f"{n} {ascii(item)[:30]}" for n, item in enumerate(NO_MESSAGES)]
)
def test_payload_that_is_no_message_is_a_decode_error_and_is_kept(
    payload: object, signing: bool, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": signing}
    with pytest.raises(DecodeError) as caught:
        unpack(payload)
    assert caught.value.payload is payload


def test_payload_that_is_too_large_is_refused_before_it_is_read(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"MAX_MESSAGE_BYTES": 1024}
    assert unpack(text_of(kwargs={"a": "x" * 800})).kwargs
    with pytest.raises(DecodeError, match="MAX_MESSAGE_BYTES"):
        unpack(text_of(kwargs={"a": "x" * 3000}))


HOSTILE: list[Any] = [
    {"$named": ["antigravity", "fly"]},
    {"$named": ["xml.dom.expatbuilder", ""]},
    {"$named": [__name__, "lazy"]},
    {"$named": ["django.core.files.storage", "default_storage"]},
    {"$named": ["django.core.files.storage", "default_storage.path"]},
    {"$named": ["django.contrib.admin.sites", "site"]},
    {"$named": ["os", "system"]},
    {"$model": "antigravity.Order"},
    {"$app": "antigravity"},
    {"$datetime": ["2026-01-01T00:00:00", 0, "antigravity/fly"]},
    {"$exception": ["antigravity.Fly", "", ""]},
    {"$enum": ["antigravity.Fly", "x"]},
    {"$dataclass": ["antigravity.Fly", {}]},
    {"$request": {"user": {"$named": [__name__, "lazy"]}}},
]


@pytest.mark.parametrize("form", HOSTILE, ids=str)
def test_nothing_that_a_payload_names_is_imported_or_called(form: Any) -> None:
    assert default_storage is not None
    CALLED.clear()
    before = set(sys.modules)
    for nested in (form, [form], {"a": form}, {"$dict": [[form, form]]}):
        try:
            CODEC.decode(nested)
        except DecodeError:
            continue
    assert set(sys.modules) == before
    assert CALLED == []


@pytest.mark.parametrize(
    "payload",
    [
        "[" * 250_000,
        "[" * 100 + "]" * 100 + "," * 200_000,
        text_of(kwargs={"a": [[]] * 50_000}),
        text_of(kwargs={"a": {"$bytes": "A" * 200_000}}),
        text_of(kwargs={"a": {"$int": "f" * 200_000}}),
        text_of(kwargs={"a": {"$set": list(range(30_000))}}),
        text_of(kwargs={"a": {"$decimal": "1E+999999999"}}),
        text_of(kwargs={"a": {"$text": "A" * 200_000}}),
    ],
    ids=["brackets", "commas", "lists", "bytes", "int", "set", "decimal", "text"],
)
def test_memory_stays_within_a_small_multiple_of_the_payload(payload: str) -> None:
    tracemalloc.start()
    try:
        try:
            CODEC.decode(unpack(payload).kwargs)
        except DecodeError as error:
            error.__traceback__ = None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 256 * 1024


def test_what_is_packed_is_unpacked() -> None:
    message = Message.from_wire(text_of())
    assert unpack(pack(message)) == message
