"""`schema=` is checked at connect and at send; a receiver's kwargs have versions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

import pytest
from django.db.models import Model, TextChoices
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, SerializationError, changed
from tests.app.models import Order
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

if TYPE_CHECKING:
    from fractions import Fraction

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


class Status(TextChoices):
    PAID = "paid"


class Address(TypedDict):
    street: str


class Priced(Protocol):
    price: Decimal


@dataclass
class Placed:
    order: Order
    total: Decimal
    lines: list[str]
    status: Status | None = None
    note: Any = None
    address: Address | None = None
    priced: Priced | None = None
    kind: Literal["a", "b"] = "a"
    at: datetime | None = None
    more: Sequence[int] = ()
    weight: float = 0.0
    row: type[Model] | None = None
    tags: dict[str, Any] = field(default_factory=dict)


def fitting(**changes: Any) -> dict[str, Any]:
    return {"order": Order.objects.create(), "total": Decimal(1), "lines": ["a"], **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": Status.PAID},
        {"status": None},
        {"note": 7},
        {"note": object},
        {"address": {"street": "x"}},
        {"kind": "b"},
        {"more": [1]},
        {"weight": 7},
        {"row": Order},
        {"unknown": 1},
    ],
    ids=str,
)
def test_kwargs_that_fit_are_sent(
    changes: dict[str, Any], signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, schema=Placed, exclude=["note"])
    signal.send(None, **fitting(**changes))
    assert len(recorder.calls) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"total": 1.5}, r"'total' is of type float.*Placed promises.*Decimal"),
        ({"order": None}, r"'order' is of type NoneType.*promises"),
        ({"lines": ("a",)}, r"'lines' is of type tuple"),
        ({"status": "paid"}, r"'status' is of type str"),
        ({"at": "now"}, r"'at' is of type str"),
        ({"more": 7}, r"'more' is of type int"),
        ({"tags": []}, r"'tags' is of type list"),
    ],
    ids=lambda item: str(item) if isinstance(item, dict) else "",
)
def test_kwarg_that_does_not_fit_meets_the_sender(
    changes: dict[str, Any], words: str, signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, schema=Placed)
    with pytest.raises(SerializationError, match=words):
        signal.send(None, **fitting(**changes))
    assert recorder.calls == []


def test_kwarg_that_is_missing_meets_the_sender(signal: Signal, defer: Connected) -> None:
    listen(defer, signal, schema=Placed)
    kwargs = fitting()
    del kwargs["total"]
    with pytest.raises(SerializationError, match=r"'total' is missing, which schema Placed"):
        signal.send(None, **kwargs)


@dataclass
class Unseen:
    part: "Fraction"


def test_type_that_only_type_checkers_see_is_not_looked_at(
    signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, schema=Unseen)
    signal.send(None, part=7)
    assert recorder["part"] == 7


def test_receiver_that_needs_what_the_schema_lacks_is_refused(
    signal: Signal, defer: Connected
) -> None:
    def needs(sender: object, signal: Signal, order: Order, missing: int, **kw: object) -> None: ...

    with pytest.raises(InvalidReceiver, match=r"needs the argument 'missing', which schema Placed"):
        defer(signal, schema=Placed)(needs)
    assert not signal.has_listeners()


def test_receiver_may_have_defaults_that_the_schema_lacks(signal: Signal, defer: Connected) -> None:
    def has(sender: object, order: Order, other: int = 7, **kwargs: object) -> None: ...

    defer(signal, schema=Placed)(has)


def test_receiver_may_need_what_capture_gives(signal: Signal, defer: Connected) -> None:
    def needs(sender: object, order: Order, captured: int, **kwargs: object) -> None: ...

    defer(signal, schema=Placed, capture=lambda sender, **kwargs: {"captured": 1})(needs)


def test_receiver_may_need_the_changes(defer: Connected) -> None:
    @dataclass
    class Saved:
        instance: Order

    def needs(sender: object, instance: Order, changes: object, **kwargs: object) -> None: ...

    defer(post_save, sender=Order, schema=Saved, when=changed("status"))(needs)


@pytest.mark.parametrize("schema", [int, "Placed", Placed(1, 2, 3), dict])  # type: ignore[arg-type]
def test_schema_must_be_a_dataclass(schema: Any, signal: Signal, defer: Connected) -> None:
    with pytest.raises(InvalidReceiver, match="must be a dataclass"):
        defer(signal, schema=schema)(Recorder())
