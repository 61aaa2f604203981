"""Fuzzes what a worker does with a payload before it calls anything, by coverage (atheris).

    uv pip install atheris
    python -m tests.fuzz.fuzz_decode -runs=1000000 -max_len=2048

Every input must be read or be a `DecodeError`; nothing may be imported; memory must stay bounded
(`-rss_limit_mb`, by libFuzzer). One input in five is the text of a whole message; the others are put into
the kwargs of a sound one, most of them made of forms that are right, with something else in places. Not a part of CI, where Hypothesis does the same for seconds.
"""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import atheris  # type: ignore[import-untyped]  # it carries no types

with atheris.instrument_imports(include=["deferred_signals"]):
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    from deferred_signals.serialization import (
        Carrying,
        Snapshot,
        codec_for,
        complete,
        references,
        sender_form,
    )
    from deferred_signals.wire import unpack

from django.contrib.auth.models import AnonymousUser
from django.utils.safestring import SafeString

from deferred_signals import DecodeError, RequestSnapshot
from tests.app.models import Line, Order, Ticket

CALLED: list[str] = []


class Colour(Enum):
    """A type that the receiver declares."""

    RED = 1


class Pair(NamedTuple):
    """A type that the receiver declares."""

    one: Any
    two: Any


@dataclass
class Basket:
    """A type that the receiver declares, whose constructor must not run."""

    order: Any

    def __post_init__(self) -> None:
        CALLED.append("__post_init__")


def receive(sender: object, colour: Colour, pair: Pair, basket: Basket, **kwargs: object) -> None:
    """Declares them."""


CODEC = codec_for(receive)

#: Words that a fuzzer would need long to guess.
PATHS = [f"{__name__}.{name}" for name in ("Colour", "Pair", "Basket")]
WORDS = ["tests_app.Order", "tests_app.Ticket", "tests_app.Line", "default", "saved", "deleted",
         "unsaved", "RED", "document", "Path", "UTC", "Europe/Berlin", "os", "system", "nan", *PATHS]  # fmt: skip


def tags() -> Iterator[str]:
    """Every tag there is, of this codec and of those before it."""
    codec: Any = CODEC
    while codec is not None:
        for name in ("_by_tag", "_plain_by_tag"):
            yield from getattr(codec, name, {})
        codec = codec._parent  # noqa: SLF001 - a fuzzer may look inside


TAGS = sorted(set(tags()))
LEAVES = [None, True, 0, 1, -1, 1.5, 10**30, "", "x", *WORDS]


def made(data: Any, depth: int = 0) -> Any:
    """A form that is nearly one of ours, as the input's bytes have it."""
    choice = data.ConsumeIntInRange(0, 5 if depth < 6 else 2)
    if choice == 0:
        return LEAVES[data.ConsumeIntInRange(0, len(LEAVES) - 1)]
    if choice == 1:
        return data.ConsumeInt(8)
    if choice == 2:
        return data.ConsumeUnicode(12)
    if choice == 3:
        return [made(data, depth + 1) for _ in range(data.ConsumeIntInRange(0, 5))]
    if choice == 4:
        keys = [data.ConsumeUnicodeNoSurrogates(4) for _ in range(data.ConsumeIntInRange(0, 3))]
        return {key: made(data, depth + 1) for key in keys}
    return {TAGS[data.ConsumeIntInRange(0, len(TAGS) - 1)]: made(data, depth + 1)}


#: Values whose forms are bent, so that the fuzzer need not find them by itself.
VALUES: list[Any] = [
    {1: {"a": (2.5, b"x", None)}, (1, "x"): {frozenset({1}), 2**70, math.inf}},
    [datetime(2026, 1, 31, tzinfo=ZoneInfo("Europe/Berlin")), datetime.now(UTC), time(1), date.max],
    [
        timedelta(1, 2, 3),
        Decimal("1.5"),
        UUID(int=7),
        "\ud83d\ude00",
        SafeString("<b>"),
        Path("/x"),
    ],
    [Colour.RED, Pair(1, {"a": Colour.RED}), Basket(Order), LookupError("x"), AnonymousUser()],
    [Snapshot(Order(pk=7, status="new"), "deleted"), Line(document="x").document, Order, Ticket],
    [
        Carrying(Snapshot(Line(pk=1, order_id=7), "saved"), {"a": 1, "b.c": [2]}),
        Order.objects.none(),
    ],
    [RequestSnapshot(method="GET", path="/x/", user=Order(pk=1), session={"a": 1})],
    [Order.from_db("default", ["id"], [7]), {Ticket(): [Ticket()]}, sender_form(json.dumps)],
]
SAMPLES = [CODEC.encode(value) for value in VALUES]


def bent(form: Any, data: Any) -> Any:
    """A form of ours, with something else in a few places."""
    if data.ConsumeIntInRange(0, 7) == 0:
        return made(data, 3)
    if isinstance(form, dict):
        return {key: bent(item, data) for key, item in form.items()}
    if isinstance(form, list):
        items = [bent(item, data) for item in form]
        return items[: data.ConsumeIntInRange(0, 9)] if data.ConsumeBool() else items
    return form


def message(form: Any) -> str:
    """The text of a message with a form in it."""
    return json.dumps(
        {
            "v": 1, "id": "5f1c", "receiver": "x", "signal": "x", "sender": form,
            "kwargs": {"a": form}, "using": "default", "sent_at": 1e9, "depth": 0, "attempt": 1,
            "redeliveries": 0, "version": 1, "context": {},
        }
    )  # fmt: skip


class Rows(dict[Any, Any]):
    """Rows without a database: each reference leads to one."""

    def __missing__(self, reference: Any) -> Any:
        return reference.model(pk=None)


def payload_of(data: Any) -> str:
    """A text, a message of anything, or a message of something that is nearly right."""
    choice = data.ConsumeIntInRange(0, 4)
    if choice == 0:
        return str(data.ConsumeUnicode(4096))
    if choice == 1:
        return message(made(data))
    return message(bent(SAMPLES[data.ConsumeIntInRange(0, len(SAMPLES) - 1)], data))


def test_one_input(raw: bytes) -> None:
    """What a worker does with a payload, without a database."""
    data = atheris.FuzzedDataProvider(raw)
    payload = payload_of(data)
    before = set(sys.modules)
    with suppress(DecodeError):
        text = unpack(payload)
        values = {name: CODEC.decode(form) for name, form in text.kwargs.items()}
        values["sender"] = CODEC.decode(text.sender)
        list(references(values))
        complete(values, Rows())
    if set(sys.modules) != before:
        raise RuntimeError(f"{set(sys.modules) - before} was imported")
    if CALLED:
        raise RuntimeError(CALLED)


if __name__ == "__main__":
    CALLED.clear()  # by the samples
    available_timezones()  # imports helpers of its own at the first use
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
