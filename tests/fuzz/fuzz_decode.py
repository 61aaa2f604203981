"""Fuzzes what a worker does with a payload before it calls anything, by coverage (atheris).

    uv pip install atheris
    python -m tests.fuzz.fuzz_decode -runs=1000000 -max_len=2048

Every input must be read or be a `DecodeError`, and break none of the rules in `oracle`; memory and time
must stay bounded (``-rss_limit_mb``, ``-timeout``, by libFuzzer). Before the first input, each tag
is tried in each place. From time to time the fuzzer prints how often each tag was met. One input in
six is a whole payload. The others are put into a sound message; most of them are sound forms with
something else in a few places. CI does not run this: there Hypothesis does the same for seconds.
"""

import json
import math
import os
import sys
from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import atheris  # type: ignore[import-untyped]  # it carries no types

with atheris.instrument_imports(include=["deferred_signals"]):
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    django.setup()
    from deferred_signals.serialization import (
        Carrying,
        MissingRow,
        Snapshot,
        encode_sender,
        sender_value,
    )
    from tests.fuzz.declared import CODEC, Basket, Colour, Key, Pair, Rights
    from tests.fuzz.oracle import Process, obeys, run

from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.test.utils import setup_databases
from django.utils.safestring import SafeString

from deferred_signals import DecodeError, RequestSnapshot
from tests.app.fields import RAN
from tests.app.models import Article, Line, Order, Ticket, Touchy
from tests.fuzz.places import PLACES, message, tags_of

TAGS = tags_of(CODEC)

#: Words that a fuzzer would need long to guess.
PATHS = [f"{kind.__module__}.{kind.__name__}" for kind in (Colour, Rights, Pair, Basket, Key)]
MODELS = [model._meta.label for model in (Order, Ticket, Line, Article, Touchy)]
WORDS = ["default", "saved", "deleted", "unsaved", "RED", "READ", "WRITE", "document", "Path", "UTC",
         "Europe/Berlin", "os", "system", "subprocess", "getoutput", "nan", "instance", "note",
         "order.note", "_meta.db_table", "__class__", "_state", "IPv4Address", "extra", "noise", "price",
         "body", "name", "id", "http.HTTPStatus", "OK", *MODELS, *PATHS]  # fmt: skip
LEAVES = [None, True, 0, 1, -1, 1.5, 10**30, 2**61, "", "x", *WORDS]

ODD: list[Any] = [*LEAVES, [], {}, ["tests_app.Order", 1, "default"], ["os", "system"]]

#: How often each tag was put somewhere.
MET: Counter[str] = Counter()


def made(data: Any, depth: int = 0) -> Any:
    """Make a form that is nearly one of ours, as the input's bytes decide."""
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
    tag = TAGS[data.ConsumeIntInRange(0, len(TAGS) - 1)]
    MET[tag] += 1
    return {tag: made(data, depth + 1)}


#: Values whose forms are changed a little, so that the fuzzer need not find them by itself.
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
    [ip_address("::1"), ZoneInfo("UTC"), QueryDict("a=1&a=2"), Rights.READ | Rights.WRITE],
    [Colour.RED, Pair(1, {"a": Colour.RED}), Basket(Order), LookupError("x"), AnonymousUser()],
    [Snapshot(Order(pk=7, status="new"), "deleted"), Line(document="x").document, Order, Ticket],
    [Snapshot(Article(pk=7, title="x", picture=b"x", facts={"a": [1]}), "deleted"), Key(1)],
    Carrying(Snapshot(Line(pk=1, order_id=7), "saved"), {"note": 1, "order.note": [2]}),
    [Order.objects.none(), {Ticket(): [Ticket()]}],
    [RequestSnapshot(method="GET", path="/x/", user=Order(pk=1), session={"a": 1})],
    [Order.from_db("default", ["id"], [7]), Article.from_db("default", ["id"], [7])],
]
SAMPLES = [CODEC.encode(value) for value in VALUES]
SENDERS = [encode_sender(CODEC, sender_value(sender)) for sender in (json.dumps, json, Path, Order)]


def bent(form: Any, data: Any) -> Any:
    """Change a form of ours in a few places."""
    if data.ConsumeIntInRange(0, 7) == 0:
        return made(data, 3)
    if isinstance(form, dict):
        MET.update(form.keys() & set(TAGS))
        return {key: bent(item, data) for key, item in form.items()}
    if isinstance(form, list):
        items = [bent(item, data) for item in form]
        return items[: data.ConsumeIntInRange(0, 9)] if data.ConsumeBool() else items
    return form


def one_of(items: Any, data: Any) -> Any:
    """Return the item that the input's bytes choose."""
    return items[data.ConsumeIntInRange(0, len(items) - 1)]


def wake_up_of(data: Any) -> str:
    """Make a wake-up that is nearly right."""
    sound = {"using": "default", "id": str(UUID(int=7)), "attempt": 1, "at": 1.5}
    bent_ones = {
        name: made(data, 3) if data.ConsumeIntInRange(0, 3) == 0 else value
        for name, value in sound.items()
    }
    return json.dumps({"wake": 1, **bent_ones})


def payload_of(data: Any) -> str:
    """Make any text, a message of anything, or a message of something that is nearly right."""
    choice = data.ConsumeIntInRange(0, 5)
    if choice == 0:
        return wake_up_of(data) if data.ConsumeBool() else str(data.ConsumeUnicode(4096))
    if choice == 1:
        return message(made(data), made(data))
    if choice == 2:
        return message(one_of(PLACES, data)(made(data)))
    return message(bent(one_of(SAMPLES, data), data), bent(one_of(SENDERS, data), data))


def test_one_input(raw: bytes) -> None:
    """Do what a worker does with a payload, without a database."""
    if not COUNT["fuzzed"]:
        PICTURES.append(Process())  # with what atheris itself has imported by now
    COUNT["fuzzed"] += 1
    try_one(payload_of(atheris.FuzzedDataProvider(raw)))


def try_one(payload: str) -> None:
    """See that a payload breaks no rule."""
    obeys(payload, CODEC)
    COUNT["inputs"] += 1
    if COUNT["inputs"] % EVERY == 0:
        PICTURES[-1].check()
    if COUNT["inputs"] % TELL_EVERY == 0:
        tell()


def tell() -> None:
    """Print what was tried so far."""
    least = min(TAGS, key=lambda tag: MET[tag])
    print(  # noqa: T201 - the report of a fuzzer
        f"{COUNT['inputs']:,} inputs, {len(TAGS)} tags in {len(PLACES)} places; the tag met least, "
        f"{least}, {MET[least]:,} times"
    )


#: A look at the whole process takes longer than a hundred inputs.
EVERY = 500
TELL_EVERY = 100_000
COUNT: Counter[str] = Counter()
PICTURES: list[Process] = []

if __name__ == "__main__":
    setup_databases(verbosity=0, interactive=False)  # attributes may be carried through relations
    available_timezones()  # imports helpers of its own at the first use
    for sample in SAMPLES:
        with suppress(DecodeError, MissingRow):
            run(message(sample), CODEC)  # what is done once a process, like listening to saves
    RAN.clear()
    PICTURES.append(Process())
    for place in PLACES:
        for tag in TAGS:
            for leaf in ODD:
                MET[tag] += 1
                try_one(message(place({tag: leaf})))
    tell()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
