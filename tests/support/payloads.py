"""Payloads as somebody else writes them: for tests of what a worker makes of data from outside."""

import json
from typing import Any


def payload_of(**changes: Any) -> str:
    """Return the payload of a message to a receiver that nobody has, with some fields changed."""
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
