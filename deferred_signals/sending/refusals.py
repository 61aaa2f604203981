"""Refuse a value that cannot travel: which one, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from django.db.models import Model

from deferred_signals.errors import SerializationError

if TYPE_CHECKING:
    from deferred_signals.sending.send import Send
    from deferred_signals.serialization import Unencodable

__all__ = ["refusal"]


def refusal(send: Send, name: str, error: Unencodable) -> SerializationError:
    """Make the error of a value that cannot travel.

    Arguments:
        send: the send that has the value.
        name: the kwarg that is or holds the value, or ``sender``.
        error: what the codec said.
    """
    kind = type(error.value)
    reason = f": {error.reason}" if error.reason else ""
    remedy = error.remedy or _remedy(error.value, name)
    return SerializationError(
        f"{send.names}: {name}{error.path} is of type "
        f"{kind.__module__}.{kind.__qualname__}, which cannot travel{reason}. {remedy}"
    )


def _remedy(value: object, name: str) -> str:
    """Say what to do about a value of a type that no codec knows."""
    if isinstance(value, Mapping):
        return "Send a dict: dict(...) of it."
    if isinstance(value, (Iterator, Collection)) and not isinstance(value, Model):
        return "Send a list: list(...) of it."
    return (
        f"Leave it out with exclude=({name!r},), read what the receiver needs of it at send with "
        f"capture=, or teach the type to travel with register_type()."
    )
