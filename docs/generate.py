"""Write `types-and-signals.md` from the library itself: its codec, and its catalogue of signals.

    python docs/generate.py             write the page
    python docs/generate.py --check     exit with 1 if the page differs from what would be written

The page is the same on every Python and Django, so that a test can compare it.
"""

import ast
import json
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import django
from django.conf import settings

PAGE = Path(__file__).with_name("types-and-signals.md")

# A project with only the examples' app, on a database in memory. The imports below need it.
settings.configure(
    ALLOWED_HOSTS=["testserver"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "shop"],
    MEDIA_ROOT=PAGE.parent,
    USE_TZ=True,
)
django.setup()

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import QueryDict
from django.test import RequestFactory
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from shop import parcels
from shop.models import Order
from shop.parcels import Handling, Parcel, Size

from deferred_signals import UNKNOWN
from deferred_signals.receivers.catalogue import CATALOGUE
from deferred_signals.serialization import (
    Snapshot,
    SomeRows,
    codec_for,
    completed,
    decode_sender,
    encode_sender,
    fetch,
    references,
    sender_value,
)

INTRODUCTION = """\
# What travels, and which signals can be deferred

<!-- Written by `python docs/generate.py`: do not edit. -->

A message is one JSON text. JSON's own values stay as they are; every other value is an object with
one key, its tag. A dict of yours that looks like a tag is escaped, so it comes back as it was.
Decoding imports nothing, calls nothing that a message names, and hands out no code: see
[security](security.md).

In the examples, `order` is a saved `Order` of an app called `shop`. `Parcel` is a dataclass with a
`Size`, which is a named tuple. They are in [docs/shop](shop/models.py). "The same" means an equal value of the
same type. Every cell was written by encoding and decoding the example.

## Types

| value | for example | in the message | what the receiver gets |
|---|---|---|---|
"""

BETWEEN = """
These rules go with the table:

* **Containers** may be nested, and dicts may have any key that can travel. A value that contains
  itself is refused.
* **Your own types** (dataclasses, named tuples, combinations of a flag's members) travel if the
  receiver declares them: in an annotation of its arguments, in its `schema`, or by
  `register_type(Parcel)`. Members of enums need no declaration: a worker finds the enum among the
  modules that it has loaded. Any other class needs `register_type(cls, encode=..., decode=..., tag=...)`.
* **Derived types** travel as the type that they derive from: an `OrderedDict`, a `defaultdict` or a
  REST framework `ReturnDict` as a dict, a `str` of your own as a str. A `QueryDict` arrives as a
  `MultiValueDict`, so that `[]` and `getlist()` give what they gave.
* **Items of sets and keys of dicts** are hashed when they are decoded. An instance of a class with a
  `__hash__` or `__eq__` of its own cannot be one: send a list.
* **A saved instance is a reference.** The receiver gets the row as it is when it runs, read through
  `_base_manager` from the database that it was saved on. The key is written by `get_prep_value` of its
  field, whatever type it has. Attributes that are not fields, annotations and prefetches do not travel
  unless `carry=` names them. If the row is gone, `missing=` decides. If one send holds two instances of
  one row that differ, both travel as snapshots.
* **Snapshots** (`snapshot=True`, deleted and unsaved instances) carry field values. These fields do not
  travel: those called `password`, those whose names are in the setting `SENSITIVE`, those in
  `exclude_fields=`, and those whose class has Encrypt in its name. Fields that read values by a
  `to_python` of their own do not travel either, since what they would read is data from outside, unless
  you call `register_type(MoneyField)` or turn `SIGNING` on. A field of a saved row that did not travel
  is loaded when the receiver reads it. Reading such a field of a deleted row raises an error that gives
  the reason. Saving a snapshot is refused: always for a deleted row, and for another one unless
  `update_fields` names what to write. A copy of it can be saved as a new row.
* **A delete never fails because of its size.** Fields that would make the message too large are left
  out, the largest first, with a warning that names them. An `origin` that is the instance travels once.

A value of any other type raises `SerializationError` in `send()` of a signal of your own. In other
signals it is logged, and reported to `publish_failed`. The error names the signal, the receiver, the
path to the value and its type, and says what to do: leave the value out with `exclude=`, read what is
needed at send with `capture=`, or declare the type with `register_type()`.

```python
# shop/money.py
from deferred_signals import register_type


class Money:
    def __init__(self, amount, currency):
        self.amount = amount
        self.currency = currency


register_type(
    Money,
    encode=lambda money: [money.amount, money.currency],
    decode=lambda parts: Money(*parts),
    tag="money",
)
```

<!--- invisible-code-block: python
# shop/receivers.py
from decimal import Decimal
from deferred_signals import receiver
from shop.money import Money
from shop.signals import order_placed

seen = []

@receiver(order_placed, deferred=True)
def note(sender, price, **kwargs):
    seen.append((price.amount, price.currency))

order_placed.send(None, price=Money(Decimal("19.90"), "EUR"))
assert seen == [(Decimal("19.90"), "EUR")]
--->

Call it where the sender's and the worker's processes both import it: in a module that `models.py`
imports, or in `AppConfig.ready()`. Messages on their way hold the tag, so never change it.

## Senders

| sender | for example | in the message | what the receiver gets |
|---|---|---|---|
"""

SIGNALS = """
A class, function or module is found again among the modules that the worker has loaded. One that the
worker has not loaded arrives as `SenderNotLoaded` with its dotted `path`. An object that cannot travel
in any other way travels as its class.

## Built-in signals

All signals of your own, and of third-party packages, can be deferred. The table lists Django's and this
library's. `m2m_changed` is deferred for `post_add`, `post_remove` and `post_clear`, unless `actions=`
says otherwise. Sends with `raw=True` (fixtures) are skipped, unless the option `raw=True` is given.

| signal | can be deferred | what the receiver gets, or why not |
|---|---|---|
"""


with connection.schema_editor() as editor:
    editor.create_model(Order)
order = Order.objects.create(
    pk=7, email="ada@example.org", status="paid", total=Decimal("19.90"), invoice="7.pdf"
)


@dataclass(frozen=True)
class Example:
    """One value of a type.

    Arguments:
        kind: the type, in words.
        value: the value, shown as it is written below.
        note: what the receiver gets, if that is not the same.
        sent: what is encoded, if that is the value with a mark.
    """

    kind: str
    value: Any
    note: str = ""
    sent: Any = None


TYPES = [
    Example("None, bool", True),  # noqa: FBT003 - the value itself
    Example("int", 7),
    Example("int beyond 64 bits", 2**64),
    Example("float", 0.5),
    Example("nan and infinities", math.inf),
    Example("str", "été"),
    Example("str with a NUL", "a\0b"),
    Example("lone surrogates", "\ud800"),
    Example("bytes", b"\x00\xff"),
    Example("list", [1, [2]]),
    Example("tuple", (1, 2)),
    Example("set", {1}),
    Example("frozenset", frozenset({"status"})),
    Example("dict", {"a": 1}),
    Example("dict with other keys", {1: "a", (2, 3): "b"}),
    Example("dict that looks like a tag", {"$set": [1]}),
    Example("Decimal", Decimal("19.90")),
    Example("UUID", UUID("12345678123456781234567812345678")),
    Example("date", date(2026, 1, 31)),
    Example("time", time(12, 30)),
    Example("datetime", datetime(2026, 1, 31, 12, 30)),  # noqa: DTZ001 - naive ones travel, too
    Example(
        "datetime with a zone",
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Vienna")),
        "the same, zone's name and fold too",
    ),
    Example("timedelta", timedelta(days=1, seconds=2)),
    Example("time zone", ZoneInfo("Europe/Vienna")),
    Example("IP address, network", IPv4Address("192.0.2.1")),
    Example("lazy string", gettext_lazy("Paid"), "the text, in the sender's language"),
    Example("SafeString", mark_safe("<b>7</b>")),
    Example("Path", Path("/srv/report.pdf")),
    Example("PurePath", PurePosixPath("/srv/report.pdf")),
    Example(
        "exception",
        ValueError("no such order"),
        "an `ExceptionSummary`: the class is not made again",
    ),
    Example("enum member", Order.Status.PAID),
    Example("members of a flag, combined", Handling.FRAGILE | Handling.COLD),
    Example("OrderedDict and the like", OrderedDict(a=1), "a dict"),
    Example("QueryDict", QueryDict("a=1&a=2"), "a `MultiValueDict`"),
    Example("named tuple", Size(30, 20)),
    Example("dataclass", Parcel(Decimal("1.5"), Size(30, 20))),
    Example("model class", Order),
    Example("saved instance", order, "the row as it is when the receiver runs"),
    Example(
        "unsaved instance", Order(status="new"), "an instance of these values; it can be saved"
    ),
    Example(
        "instance with `snapshot=True`",
        order,
        "field values as they were at send",
        sent=Snapshot(order, "saved"),
    ),
    Example(
        "instance of `post_delete`",
        order,
        "field values as they were; it cannot be saved",
        sent=Snapshot(order, "deleted"),
    ),
    Example("SimpleLazyObject", SimpleLazyObject(lambda: order), "what it stands for"),
    Example("AnonymousUser", AnonymousUser()),
    Example("a value in `changes` that is not known", UNKNOWN),
    Example("FieldFile", order.invoice, "a `FieldFile` of the row, with the file's name as sent"),
    Example(
        "QuerySet that the receiver's signature names",
        Order.objects.all(),
        "a QuerySet of the rows whose keys were read at send, in no order of its own",
        sent=SomeRows(Order.objects.all()),
    ),
    Example(
        "any other QuerySet", Order.objects.all(), "an object with `.model`; evaluating it raises"
    ),
    Example(
        "HttpRequest",
        RequestFactory().get("/orders/7/"),
        "a `RequestSnapshot`: no cookies, body, session or credentials",
    ),
]

SENDERS = [
    Example("None", None),
    Example("str", "django.contrib.auth"),
    Example("model class", Order),
    Example("saved instance", order, "the row as it is when the receiver runs"),
    Example("AppConfig", apps.get_app_config("shop")),
    Example("class", RequestFactory, "the class, or `SenderNotLoaded`"),
    Example("function", reverse, "the function, or `SenderNotLoaded`"),
    Example("module", parcels, "the module, or `SenderNotLoaded`"),
    Example("any other object", RequestFactory(), "its class"),
]


def main() -> int:
    """Write or check the page. Return the exit code."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is out of date: run `python docs/generate.py`.", file=sys.stderr)
    return 1


def page() -> str:
    """Return the page's text."""
    types = [row(item, source) for item, source in with_sources("TYPES", TYPES)]
    senders = [
        row(item, source, is_sender=True) for item, source in with_sources("SENDERS", SENDERS)
    ]
    return "".join([INTRODUCTION, *types, BETWEEN, *senders, SIGNALS, *signal_rows()])


def with_sources(name: str, examples: list[Example]) -> Iterator[tuple[Example, str]]:
    """Give the examples of a list in this file, each with the source of its value."""
    for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            elements: Any = node.value
            for item, call in zip(examples, elements.elts, strict=True):
                yield item, ast.unparse(call.args[1])


def receive(parcel: Parcel, size: Size, handling: Handling, **kwargs: Any) -> None:
    """Declare the types of the examples, as a receiver would."""


def transported(value: Any, *, is_sender: bool) -> tuple[Any, Any]:
    """Return the form of a value, and what a receiver gets of it."""
    codec = codec_for(receive)
    if is_sender:
        form = json.loads(json.dumps(encode_sender(codec, sender_value(value))))
        decoded = decode_sender(form)
    else:
        form = json.loads(json.dumps(codec.encode(value)))
        decoded = codec.decode(form)
    rows = {reference: fetch(reference) for reference in references(decoded)}
    return form, completed(decoded, rows)


def row(item: Example, source: str, *, is_sender: bool = False) -> str:
    """Return a row of the table: the example, its form, and what the receiver gets."""
    value = item.value if item.sent is None else item.sent
    form, got = transported(value, is_sender=is_sender)
    same = type(got) is type(item.value) and (got == item.value or repr(got) == repr(item.value))
    if not item.note and not same:
        raise AssertionError(
            f"{item.kind}: {item.value!r} comes back as {got!r}; say so in its note"
        )
    wire = json.dumps(form)
    cells = [item.kind, f"`{source}`", f"`{wire}`", item.note or "the same"]
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |\n"


def signal_rows() -> Iterator[str]:
    """Give the rows of the table of signals, from the library's catalogue."""
    verdicts = {"allowed": "yes", "opt-in": "with `opt_in=True`", "refused": "no"}
    at_once = "It is published at once: it does not wait for a commit."
    for entry in CATALOGUE:
        parts = [f"{entry.carries}.", entry.reason]
        if entry.verdict == "refused":
            parts = [entry.reason]
        if entry.immediate and "at once" not in entry.reason:
            parts.append(at_once)
        yield f"| `{entry.path}` | {verdicts[entry.verdict]} | {' '.join(filter(None, parts))} |\n"


if __name__ == "__main__":
    sys.exit(main())
