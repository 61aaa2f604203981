"""Write `types-and-signals.md` from the library itself: its codec, and its catalogue of signals.

    python docs/generate.py             write the page
    python docs/generate.py --check     exit with 1 where the page is not what would be written

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

# A project of the examples' app alone, on a database in memory; what follows needs it.
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

In the examples `order` is a saved `Order` of an app called `shop`, `Parcel` a dataclass with a
`Size`, which is a named tuple. They are in [docs/shop](shop). "The same" means: an equal value of
the same type. Every cell was written by encoding and decoding the example.

## Types

| value | for example | in the message | what the receiver gets |
|---|---|---|---|
"""

BETWEEN = """
These rules go with the table:

* **Containers** may be nested, and dicts may have any key that can travel. A value that contains
  itself is refused.
* **Types of your own** (dataclasses, named tuples, combinations of a flag's members) travel where
  the receiver declares them: in an annotation of its arguments, in its `schema`, or by
  `register_type(Parcel)`. Members of enums need no declaration: a worker finds the enum among the
  modules that it has loaded. Any other class needs `register_type(cls, encode=..., decode=..., tag=...)`.
* **Derived types** travel as what they are a kind of: an `OrderedDict`, a `defaultdict` or a REST
  framework `ReturnDict` as a dict, a `str` of your own as a str. A `QueryDict` arrives as a
  `MultiValueDict`, so that `[]` and `getlist()` give what they gave.
* **Items of sets and keys of dicts** are hashed where they arrive. A class with a `__hash__` or
  `__eq__` of its own cannot be one: send a list.
* **A saved instance is a reference.** The receiver gets the row as it is when it runs, read through
  `_base_manager` from the database that it was saved on. Its key is written by `get_prep_value` of
  its field, whatever type the field has for it. Attributes that are no fields, annotations and
  prefetches do not travel, unless `carry=` names them. If the row is gone, `missing=` decides. Two
  instances of one row that differ, in one send, travel as snapshots.
* **Snapshots** (`snapshot=True`, deleted and unsaved instances) carry field values. Fields called
  `password`, those whose names are in the setting `SENSITIVE`, those in `exclude_fields=`, and those
  whose class has Encrypt in its name stay behind. So do fields that read values by a `to_python` of
  their own, unless you call `register_type(MoneyField)` or turn `SIGNING` on: what they would read
  is data from outside. A field that stayed behind is loaded when it is asked for, of a saved row;
  of a deleted one, asking raises an error that says why it did. Saving a snapshot is refused: a
  deleted row altogether, another one unless `update_fields` names what to write. A copy of it can be
  saved as a new row.
* **A delete never fails for its size.** What would make the message too large is left out, the
  largest field first, with a warning that names the fields. `origin` that is the instance travels once.

A value of any other type raises `SerializationError` in `send()` of a signal of your own; in others it is
logged, and told to `publish_failed`. The error names the signal, the receiver,
the way to the value and its type, and says what can be done: leave it out with `exclude=`, read
what is needed at send with `capture=`, or teach the type with `register_type()`.

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
imports, or in `AppConfig.ready()`. The tag stays in messages under way, so it is yours for ever.

## Senders

| sender | for example | in the message | what the receiver gets |
|---|---|---|---|
"""

SIGNALS = """
A class, function or module is found again among the modules that the worker has loaded; one that it
has not loaded arrives as `SenderNotLoaded` with its dotted `path`. An object that can travel in no
other way goes as its class.

## Built-in signals

Signals of your own, and those of third-party packages, can be deferred. Of Django's and of this
library's, these. `m2m_changed` is deferred for `post_add`, `post_remove` and `post_clear`, unless
`actions=` says otherwise; sends with `raw=True` (fixtures) are skipped, unless `raw=True` is given.

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
    """A value of one type.

    Arguments:
        kind: the type, in words.
        value: the value, shown as it is written below.
        note: what the receiver gets, where that is not the same.
        sent: what is encoded, where that is the value with a mark.
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
    """The exit code."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is out of date: run `python docs/generate.py`.", file=sys.stderr)
    return 1


def page() -> str:
    """The page's text."""
    types = [row(item, source) for item, source in with_sources("TYPES", TYPES)]
    senders = [
        row(item, source, is_sender=True) for item, source in with_sources("SENDERS", SENDERS)
    ]
    return "".join([INTRODUCTION, *types, BETWEEN, *senders, SIGNALS, *signal_rows()])


def with_sources(name: str, examples: list[Example]) -> Iterator[tuple[Example, str]]:
    """The examples of a list in this file, each with its value as it is written."""
    for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            elements: Any = node.value
            for item, call in zip(examples, elements.elts, strict=True):
                yield item, ast.unparse(call.args[1])


def receive(parcel: Parcel, size: Size, handling: Handling, **kwargs: Any) -> None:
    """Stands for a receiver that declares the types of the examples."""


def transported(value: Any, *, is_sender: bool) -> tuple[Any, Any]:
    """The JSON form of a value, and what a receiver gets of it."""
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
    """A row: the example, its form and what comes of it."""
    value = item.value if item.sent is None else item.sent
    form, got = transported(value, is_sender=is_sender)
    same = type(got) is type(item.value) and (got == item.value or repr(got) == repr(item.value))
    if not item.note and not same:
        raise AssertionError(f"{item.kind}: {item.value!r} comes back as {got!r}; say so in a note")
    wire = json.dumps(form)
    return f"| {item.kind} | `{source}` | `{wire}` | {item.note or 'the same'} |\n"


def signal_rows() -> Iterator[str]:
    """The table of signals, as the library's catalogue has them."""
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
