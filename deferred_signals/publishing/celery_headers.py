"""The headers of Celery's messages that are neither Celery's own, nor the broker's, nor this library's.

Celery does not document which headers are its own: this one file says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from celery.app.task import Context

from deferred_signals.publishing.waits import HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CELERYS", "custom_headers", "inherited_headers"]

#: What a request has from Celery beside its documented attributes.
CELERYS = {*vars(Context), "argsrepr", "compression", "kwargsrepr", "lang", "task"}

#: The headers in which RabbitMQ notes what it did with a message so far.
_BROKERS = re.compile(r"x-(death|(first|last)-death-\w+|delivery-count|acquired-count)")


def custom_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that neither Celery, nor the broker, nor this library gave a message."""
    return {
        key: value
        for key, value in headers.items()
        if key not in CELERYS and key != HEADER and not _BROKERS.fullmatch(key)
    }


def inherited_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers of Celery's own that a message has from the task that sent it, and its stamps.

    They go on with the message if it is published once more, as headers: the names of stamps are anybody's.
    """
    found = {}
    if headers.get("root_id") and headers["root_id"] != headers.get("id"):
        found = {name: headers.get(name) for name in ("root_id", "parent_id")}
    if headers.get("stamped_headers"):
        found |= {name: headers.get(name) for name in ("stamped_headers", "stamps")}
    return found
