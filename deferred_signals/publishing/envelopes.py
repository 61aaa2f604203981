"""Templates of what Redis keeps of a message: the envelope that kombu writes, with slots for copies.

kombu wraps each message into an envelope: a JSON text that holds the body in base64. Writing that
text takes most of the time of publishing. The envelopes of one pattern differ in a few places only.
So the text that kombu wrote for one message becomes a template, which each copy fills. The template
is used only if it gives kombu's own text back when it is filled with that message's values.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from kombu.utils.json import dumps

from deferred_signals.support.ids import new_id
from deferred_signals.support.json import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.publishing.patterns import Copy, Prepared

__all__ = ["Envelope"]


class Envelope(NamedTuple):
    """A template of what Redis keeps of a message.

    Attributes:
        key: the key of Redis' list.
        text: the envelope, for the ``%`` operator.
    """

    key: str
    text: str

    @classmethod
    def of(cls, commands: Sequence[Any], prepared: Prepared) -> Envelope | None:
        """Make a template from what kombu tells Redis of a message; None if its form is not known.

        Arguments:
            commands: redis-py's commands, each with its options.
            prepared: what the channel made the message of.
        """
        match commands:
            case [(("LPUSH", str(key), str(text)), _)]:
                pass
            case _:
                return None
        with suppress(KeyError, TypeError, ValueError):
            own = {
                "body": _encoded(prepared.body),
                "id": prepared.headers["id"],
                "argsrepr": prepared.headers["argsrepr"],
                "reply_to": prepared.properties["reply_to"],
                "tag": json.loads(text)["properties"]["delivery_tag"],
            }
            made = _with_slots(text, tuple(own))
            if made % {slot: quote(value) for slot, value in own.items()} == text:
                return cls(key, made)
        return None

    def fill(self, copy: Copy) -> str:
        """Write the envelope of a copy."""
        body = copy.pattern.body_of(copy).encode()
        return self.text % {
            "body": f'"{b64encode(body).decode("ascii")}"',
            "id": f'"{copy.task_id}"',
            "argsrepr": quote(copy.argsrepr),
            "reply_to": f'"{copy.reply_to}"',
            "tag": f'"{new_id()}"',
        }


def _with_slots(text: str, slots: Sequence[str]) -> str:
    """Put a slot into an envelope's text wherever copies differ."""
    mark = uuid4().hex
    body, id_, argsrepr, reply_to, tag = (f"{mark} {slot}" for slot in slots)
    message = json.loads(text)
    headers, properties = message["headers"], message["properties"]
    message["body"] = body
    headers |= {"id": id_, "root_id": id_, "argsrepr": argsrepr}
    properties |= {"correlation_id": id_, "reply_to": reply_to, "delivery_tag": tag}
    if "argsrepr" in properties:
        properties["argsrepr"] = argsrepr
    return re.sub(rf'"{mark} (\w+)"', r"%(\1)s", dumps(message).replace("%", "%%"))


def _encoded(body: str | bytes) -> str:
    return b64encode(body.encode() if isinstance(body, str) else body).decode("ascii")
