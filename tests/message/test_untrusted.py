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
from tests.support.payloads import payload_of

CALLED: list[str] = []


def load() -> object:
    CALLED.append("a lazy object was set up")
    return object()


lazy = SimpleLazyObject(load)


def test_text_is_a_message() -> None:
    assert unpack(payload_of()).receiver == "tests.nobody"


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
    payload_of()[:-1],
    payload_of() + "x",
    payload_of(v=2),
    payload_of(v="1"),
    payload_of(v=True),
    payload_of(id=7),
    payload_of(receiver=None),
    payload_of(kwargs=[]),
    payload_of(context=[]),
    payload_of(attempt=0),
    payload_of(attempt=1.5),
    payload_of(attempt=True),
    payload_of(redeliveries=-1),
    payload_of(version=0),
    payload_of(depth="0"),
    payload_of(sent_at=1e300),
    payload_of(sent_at=10**400),
    payload_of(sent_at=float("nan")),
    payload_of(sent_at="now"),
    payload_of(id="x" * 1000),
    payload_of(id="\ud800"),
    payload_of(kwargs={"a": json.loads("[" * 500 + "]" * 500)}),
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
    assert unpack(payload_of(kwargs={"a": "x" * 800})).kwargs
    with pytest.raises(DecodeError, match="MAX_MESSAGE_BYTES"):
        unpack(payload_of(kwargs={"a": "x" * 3000}))


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
        payload_of(kwargs={"a": [[]] * 50_000}),
        payload_of(kwargs={"a": {"$bytes": "A" * 200_000}}),
        payload_of(kwargs={"a": {"$int": "f" * 200_000}}),
        payload_of(kwargs={"a": {"$set": list(range(30_000))}}),
        payload_of(kwargs={"a": {"$decimal": "1E+999999999"}}),
        payload_of(kwargs={"a": {"$text": "A" * 200_000}}),
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
    message = Message.from_wire(payload_of())
    assert unpack(pack(message)) == message
