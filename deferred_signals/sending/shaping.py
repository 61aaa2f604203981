"""Choose which kwargs travel, where they are not those of the send: some left out, others added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deferred_signals.errors import SerializationError
from deferred_signals.receivers.schemas import check_kwargs
from deferred_signals.support.asking import ask

if TYPE_CHECKING:
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.sending.send import Send

__all__ = ["shaped"]


def shaped(send: Send, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the kwargs that travel, by ``schema=``, ``exclude=``, the catalogue and ``capture=``.

    Arguments:
        send: the send.
        kwargs: its kwargs, with what was found out about them since.

    Raises:
        Raised: by ``capture=``.
        SerializationError: the kwargs do not fit ``schema=``, or ``capture=`` gave no dict of kwargs.
    """
    receiver, options = send.receiver, send.receiver.options
    if options.schema is not None:
        check_kwargs(send.names, options.schema, kwargs)
    travelling = {name: value for name, value in kwargs.items() if name not in options.exclude}
    if send.entry.extract is not None:
        travelling = send.entry.extract(travelling)
    if send.changes:
        travelling = {**travelling, "changes": send.changes}
    if options.exclude:  # what was added here may be excluded, too
        travelling = {
            name: value for name, value in travelling.items() if name not in options.exclude
        }
    if options.capture is not None:
        captured = ask(options.capture, send.sender, kwargs)
        travelling = {**travelling, **_checked(receiver, captured)}
    return travelling


def _checked(receiver: Receiver, captured: object) -> dict[str, Any]:
    """Check what ``capture=`` gave.

    Raises:
        SerializationError: it is no dict of kwargs.
    """
    if isinstance(captured, Mapping) and captured.keys().isdisjoint({"signal", "sender"}):
        return dict(captured)
    raise SerializationError(
        f"capture= of {receiver.name!r} must give a dict of kwargs without 'signal' and 'sender', "
        f"got {type(captured).__name__}."
    )
