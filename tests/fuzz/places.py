"""Every place of a message where a form may stand."""

import json
from collections.abc import Callable
from typing import Any

from deferred_signals.serialization.codec import Codec

__all__ = ["PLACES", "message", "tags_of"]


def row(model: str, state: str = "deleted", **fields: Any) -> Any:
    """Make a snapshot with these fields."""
    return {"$row": [f"tests_app.{model}", state, "default", fields]}


#: Each puts a form somewhere.
PLACES: list[Callable[[Any], Any]] = [
    lambda form: form,
    lambda form: [form],
    lambda form: {"a": form},
    lambda form: {"$dict": [[form, 1]]},
    lambda form: {"$dict": [[1, form]]},
    lambda form: {"$tuple": [form]},
    lambda form: {"$set": [form]},
    lambda form: {"$frozenset": [{"$tuple": [form, form]}]},
    lambda form: {"$lists": {"a": [form]}},
    lambda form: {"$dataclass": ["tests.fuzz.declared.Basket", {"order": form}]},
    lambda form: {"$set": [{"$dataclass": ["tests.fuzz.declared.Key", {"order": form}]}]},
    lambda form: {"$namedtuple": ["tests.fuzz.declared.Pair", [form, 1]]},
    lambda form: {"$ref": ["tests_app.Order", form, "default"]},
    lambda form: {"$ref": [form, 1, "default"]},
    lambda form: {"$rows": ["tests_app.Ticket", [form], "default"]},
    lambda form: row("Order", status=form),
    lambda form: row("Order", "saved", total=form),
    lambda form: row("Order", "unsaved", id=form, placed_at=form),
    lambda form: row("Line", order_id=form, document=form),
    lambda form: row("Run", payload=form),
    lambda form: row(
        "Article", id=form, price=form, body=form, secret=form, extra=form, noise=form
    ),
    lambda form: row("Article", picture=form, facts=form, title=form),
    lambda form: row("Article", extra={"$field": form}),
    lambda form: {"$carrying": [row("Order"), {"note": form, "_meta.db_table": form}]},
    lambda form: {"$carrying": [form, {"note": 1}]},
    lambda form: {"$file": [row("Line"), "document", form]},
    lambda form: {"$file": [form, "document", "x"]},
    lambda form: {"$request": {"user": form}},
    lambda form: {"$request": {"session": {"a": form}, "more_headers": {"X": form}}},
    lambda form: {"$exception": ["a", "b", form]},
    lambda form: {"$enum": ["http.HTTPStatus", form, form]},
    lambda form: {"$enum": ["tests.fuzz.declared.Rights", [form]]},
]


def tags_of(codec: Codec | None) -> list[str]:
    """Every tag there is, of a codec and of those before it, and those that only senders have."""
    found = {"$named", "$field"}
    while codec is not None:
        found |= codec._by_tag.keys() | codec._plain_by_tag.keys()  # noqa: SLF001 - a fuzzer may look inside
        codec = codec._parent  # noqa: SLF001 - as above
    return sorted(found)


def message(form: Any, sender: Any = None) -> str:
    """Make the payload of a message with a form in it."""
    return json.dumps(
        {
            "v": 1, "id": "5f1c", "receiver": "x", "signal": "x", "sender": sender,
            "kwargs": {"instance": form}, "using": "default", "sent_at": 1e9, "depth": 0,
            "attempt": 1, "redeliveries": 0, "version": 1, "context": {},
        }
    )  # fmt: skip
