"""Turn a `Message` into its payload, the text that the broker keeps, and a payload into its message.

Payloads are bounded, and signed where ``SIGNING`` is on. A signed payload is the message's JSON
behind its HMAC, ``<hmac>:<json>``, which Django's `Signer` makes with ``SECRET_KEY``. Payloads that
were signed with one of ``SECRET_KEY_FALLBACKS`` are still read.
"""

from __future__ import annotations

from django.core.signing import BadSignature, Signer

from deferred_signals import conf
from deferred_signals.errors import DecodeError
from deferred_signals.message import Message
from deferred_signals.serialization import is_too_deep, may_be_too_deep
from deferred_signals.support.json import size_of

__all__ = ["pack", "unpack", "unsigned"]

SALT = "deferred_signals"

#: Bytes by which a payload may grow after the send: by counts of attempts and redeliveries, and by a
#: signature.
GROWTH = 1024


def pack(message: Message, kwargs: str | None = None) -> str:
    """Write the payload of a message: its JSON, signed where ``SIGNING`` is on.

    Arguments:
        message: the message.
        kwargs: the JSON text of its kwargs, where the caller has written it already.
    """
    text = message.to_wire(kwargs)
    return f"{_signer().signature(text)}:{text}" if conf.current().SIGNING else text


def unsigned(payload: str) -> str:
    """Return the JSON of a payload that this process has packed."""
    return payload if payload.startswith("{") else payload.partition(":")[2]


def unpack(payload: object) -> Message:
    """Read the message of a payload from the broker; a forged payload is refused before it is read.

    Raises:
        DecodeError: the payload is too large, its signature is wrong, or it is no message.
    """
    settings = conf.current()
    size = _size(payload)
    if size is None or not isinstance(payload, str):
        raise DecodeError(f"A payload is a text in UTF-8, got {type(payload).__name__}.", payload)
    if size > settings.MAX_MESSAGE_BYTES + GROWTH:
        raise DecodeError(
            f"A payload has {size} bytes, more than MAX_MESSAGE_BYTES allows.", payload
        )
    signature, colon, text = "", "", payload
    if not payload.startswith("{"):
        signature, colon, text = payload.partition(":")
    if settings.SIGNING:
        try:
            _signer().unsign(f"{text}:{signature}")
        except BadSignature:
            raise DecodeError(
                "A payload is not signed with this project's SECRET_KEY or a fallback of it, and "
                "SIGNING is on: it is forged, altered, or older than the setting.",
                payload,
            ) from None
    try:
        message = Message.from_wire(text if colon else payload)
    except DecodeError as error:
        error.payload = payload
        raise
    if may_be_too_deep(payload) and is_too_deep(
        *message.kwargs.values(), message.sender, message.context
    ):
        raise DecodeError("A payload is nested deeper than any that is sent.", payload)
    return message


def _size(payload: object) -> int | None:
    """Count the bytes of a payload; None where it is no text in UTF-8."""
    try:
        return size_of(payload) if isinstance(payload, str) else None
    except UnicodeEncodeError:
        return None


def _signer() -> Signer:
    return Signer(salt=SALT)
