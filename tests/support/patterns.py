"""Patterns as Celery and kombu would have them, for tests of what copies them."""

from typing import Any

from deferred_signals.publishing.patterns import Copy, Pattern, Prepared, Publication
from deferred_signals.support.ids import new_id


def learned(**headers: Any) -> tuple[Pattern, Prepared]:
    """Return a pattern that has learned, and what its first message was made of."""
    id_ = headers.setdefault("id", new_id())
    prepared = Prepared(
        '[["payload"], {}, {}]', 0, "application/json", "utf-8",
        {"task": "shop.pay", "root_id": id_, "argsrepr": "(a)", "origin": "gen1@shop", **headers},
        {"correlation_id": id_, "reply_to": new_id(), "delivery_mode": 2},
    )  # fmt: skip
    pattern = Pattern({}, Publication(None, {}))
    pattern.learn(prepared, {"exchange": "", "routing_key": "celery"})
    assert pattern.sent is not None
    return pattern, prepared


def copy_of(pattern: Pattern, **own: Any) -> Copy:
    """Return a copy with ids of its own."""
    usual = {"task_id": new_id(), "payloads": ("other",), "argsrepr": "(b)", "reply_to": new_id()}
    return Copy(pattern=pattern, **{**usual, **own})
