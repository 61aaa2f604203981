"""The `Message`: one receiver, one send; and the JSON text that travels."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Self

from deferred_signals.errors import DecodeError
from deferred_signals.message.description import describe
from deferred_signals.support.json import quote, to_json

__all__ = ["LONGEST_NAME", "WIRE_VERSION", "Message", "is_name"]

#: Version of the JSON text. A worker reads its own version and all before it.
WIRE_VERSION = 1

#: Characters that the name of a receiver, signal or database may have.
LONGEST_NAME = 300

#: The largest number that a message may have in a field of its own.
MOST = 2**31 - 1

#: The end of time for messages, in seconds since the epoch: the year 3000.
LATEST = 32_503_680_000


@dataclass(frozen=True, kw_only=True, repr=False)
class Message:
    """One receiver's call, from ``send()`` to its last run.

    A message holds the kwargs and the sender as forms (encoded values, see
    `deferred_signals.serialization`). So a process that cannot decode the values can still look at
    the message, keep it and publish it anew.

    Arguments:
        id: the message's id, the same through retries and redeliveries.
        receiver: the receiver's name.
        signal: the signal's name.
        sender: the sender's form.
        kwargs: the kwargs' forms, by their names.
        using: alias of the database whose commit was waited for.
        sent_at: when ``send()`` was called, in UTC.
        depth: deferrals that led to this one: 0 for a send from outside any receiver.
        attempt: the run that this message asks for, from 1.
        redeliveries: how often the broker redelivered the message because a whole worker was gone.
        version: the version of the receiver's kwargs.
        context: what the context carriers took along, by their keys.

    >>> message = Message(
    ...     id="5f1c", receiver="shop.receivers.greet", signal="shop.signals.order_placed",
    ...     sender=None, kwargs={"order_id": 7}, using="default",
    ...     sent_at=datetime(2026, 1, 31, tzinfo=UTC),
    ... )
    >>> Message.from_wire(message.to_wire()) == message
    True
    >>> message.next_attempt().attempt
    2
    >>> message.describe()
    'shop.receivers.greet(order_id)'
    """

    id: str
    receiver: str
    signal: str
    sender: Any
    kwargs: dict[str, Any]
    using: str
    sent_at: datetime
    depth: int = 0
    attempt: int = 1
    redeliveries: int = 0
    version: int = 1
    context: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Name the receiver, the kwargs, and the label and key of each row: no other values.

        Logs and monitors show this description. It is short, it stays on one line, and no message
        makes it fail.
        """
        return describe(self.receiver, self.kwargs, self.sender)

    def next_attempt(self) -> Message:
        """Return the message that asks for the run after this one."""
        return replace(self, attempt=self.attempt + 1, redeliveries=0)

    def redelivered(self) -> Message:
        """Return the message to publish after a whole worker was gone: no attempt is charged."""
        return replace(self, redeliveries=self.redeliveries + 1)

    def age(self, now: datetime) -> float:
        """Count the seconds since the send."""
        return (now - self.sent_at).total_seconds()

    def to_wire(self, kwargs: str | None = None) -> str:
        """Write the message as one JSON text.

        A field that has its usual value is left out: brokers keep, and workers read, millions of
        these texts.

        Arguments:
            kwargs: the JSON text of the kwargs, where the caller has written it already.
        """
        unusual = ""
        if self.depth:
            unusual += f',"depth":{self.depth}'
        if self.attempt != 1:
            unusual += f',"attempt":{self.attempt}'
        if self.redeliveries:
            unusual += f',"redeliveries":{self.redeliveries}'
        if self.version != 1:
            unusual += f',"version":{self.version}'
        if self.context:
            unusual += f',"context":{to_json(self.context)}'
        return (
            f'{{"v":{WIRE_VERSION},"id":{quote(self.id)},"receiver":{quote(self.receiver)},'
            f'"signal":{quote(self.signal)},"sender":{to_json(self.sender)},'
            f'"kwargs":{to_json(self.kwargs) if kwargs is None else kwargs},'
            f'"using":{quote(self.using)},"sent_at":{_seconds_of(self.sent_at):.6f}{unusual}}}'
        )

    @classmethod
    def from_wire(cls, payload: object) -> Self:
        """Read a message from its JSON text, which is data from outside.

        Raises:
            DecodeError: the text is no message, or one of a newer wire version.
        """
        if not isinstance(payload, (str, bytes)):
            raise DecodeError(f"A payload is a JSON text, got {type(payload).__name__}.", payload)
        try:
            raw = _decode(payload if isinstance(payload, str) else payload.decode())
        except (ValueError, RecursionError) as error:
            what = (
                "it is nested too deeply" if isinstance(error, RecursionError) else "it is broken"
            )
            raise DecodeError(f"A payload is not readable as JSON: {what}.", payload) from None
        try:
            return cls._from_raw(raw)
        except _Malformed as error:
            raise DecodeError(f"A payload is no message: {error}", payload) from None

    @classmethod
    def _from_raw(cls, raw: object) -> Self:
        if not isinstance(raw, dict):
            raise _Malformed(f"it is a {type(raw).__name__}, not an object.")
        version = raw.get("v")
        if type(version) is not int or not 1 <= version <= WIRE_VERSION:
            raise _Malformed(f"this worker reads the wire versions 1 to {WIRE_VERSION}.")
        raw = {**_USUAL, **raw}
        for key, kind in _KINDS.items():
            if type(raw.get(key)) is not kind:
                found = type(raw.get(key)).__name__
                raise _Malformed(f"{key!r} is missing or of the wrong type ({found}).")
        for key, least in _LEAST.items():
            if not least <= raw[key] <= MOST:
                raise _Malformed(f"{key!r} must be from {least} to {MOST}.")
        if not _ID.fullmatch(raw["id"]):
            raise _Malformed("'id' must be up to 100 visible ASCII characters.")
        for key in ("receiver", "signal", "using"):
            if not is_name(raw[key]):
                raise _Malformed(f"{key!r} must be up to {LONGEST_NAME} visible characters.")
        return cls(
            id=raw["id"],
            receiver=raw["receiver"],
            signal=raw["signal"],
            sender=raw.get("sender"),
            kwargs=raw["kwargs"],
            using=raw["using"],
            sent_at=_moment(raw.get("sent_at")),
            depth=raw["depth"],
            attempt=raw["attempt"],
            redeliveries=raw["redeliveries"],
            version=raw["version"],
            context=raw["context"] or {},  # a new dict, where the default for all would be shared
        )


def is_name(text: str) -> bool:
    """Return whether a text can be a name in a message: it is visible, and stays on one line of a log.

    >>> is_name("shop.receivers.greet"), is_name("greet ERROR: all is lost")
    (True, False)
    """
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and " " not in text


class _Malformed(Exception):
    """Say what is wrong with a payload."""


#: What an id may be. The id is also the Celery task's, and a part of queues' names.
_ID = re.compile(r"[!-~]{1,100}")


def _finite(text: str) -> float:
    """Read a number, and refuse the infinities: JSON has none, but Python reads them."""
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text} is no number of JSON's")
    return value


#: Built once, as `json.loads` with arguments builds a decoder at each call.
_decode = json.JSONDecoder(parse_constant=_finite, parse_float=_finite).decode


#: The fields of a message in JSON, each of exactly the type that Python's `json` makes.
_KINDS: dict[str, type] = {
    "id": str,
    "receiver": str,
    "signal": str,
    "kwargs": dict,
    "using": str,
    "depth": int,
    "attempt": int,
    "redeliveries": int,
    "version": int,
    "context": dict,
}
#: The least value of each number. The most is the same for all: what a database's integer holds.
_LEAST = {"depth": 0, "attempt": 1, "redeliveries": 0, "version": 1}
#: Defaults for fields that the sender omitted.
_USUAL: dict[str, Any] = {"depth": 0, "attempt": 1, "redeliveries": 0, "version": 1, "context": {}}


def _moment(sent_at: object) -> datetime:
    """Read when a message was sent."""
    if type(sent_at) in {int, float} and 0 <= sent_at < LATEST:  # type: ignore[operator]  # a number
        return datetime.fromtimestamp(sent_at, UTC)  # type: ignore[arg-type]  # as above
    raise _Malformed("'sent_at' is no point in time.")


def _seconds_of(moment: datetime) -> float:
    """Return a moment as seconds since the epoch.

    Where a finalizer sends as the interpreter ends, Python 3.13 crashes in `datetime.timestamp`. What
    is sent there is of now, in UTC.
    """
    if not sys.is_finalizing():
        return moment.timestamp()
    days = moment.toordinal() - 719_163
    seconds = (days * 24 + moment.hour) * 3600 + moment.minute * 60 + moment.second
    return seconds + moment.microsecond / 1e6
