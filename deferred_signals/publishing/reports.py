"""Report what became of the messages of a flush, and let a store keep what was not published.

Whatever handlers and stores do, nothing in here makes the commit fail.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from deferred_signals import events
from deferred_signals.errors import PublishError
from deferred_signals.support.telling import log, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing

__all__ = ["Store", "announce", "report", "spill_to"]


class Store(Protocol):
    """Keeps messages that could not be published, and publishes them later."""

    def spill(self, batch: Sequence[Outgoing]) -> None:
        """Keep the messages of a flush; raise an exception where they cannot be kept."""


_store: Store | None = None


def spill_to(store: Store | None) -> Store | None:
    """Give what cannot be published to a store from now on; return the store until now."""
    global _store
    before, _store = _store, store
    return before


def announce(batch: Sequence[Outgoing]) -> None:
    """Send ``message_published`` for each message that the broker has."""
    signal = events.message_published
    heard = {
        name for name in {item.message.receiver for item in batch} if signal.has_listeners(name)
    }
    for outgoing in batch:
        message = outgoing.message
        if message.receiver in heard and not outgoing.quiet:
            with telling():
                signal.send_robust(sender=message.receiver, message=message)


def report(failures: Sequence[tuple[Outgoing, BaseException]]) -> None:
    """Hand what was not published to the store; log each message, and send a signal for each cause."""
    fate = "is kept, to be published later" if _spilled(failures) else "is lost"
    causes: dict[int, tuple[BaseException, list[Message]]] = {}
    for outgoing, cause in failures:
        if outgoing.quiet:
            continue
        message = outgoing.message
        causes.setdefault(id(cause), (cause, []))[1].append(message)
        log(
            logging.ERROR,
            "Message %s for receiver %s is not known to be published and %s: %s: %s",
            message.id,
            message.describe(),
            fate,
            type(cause).__name__,
            cause,
            extra={"receiver": message.receiver, "message_id": message.id},
        )
    for cause, concerned in causes.values():
        with telling():
            _tell_failure(concerned, cause)


def _tell_failure(messages: list[Message], cause: BaseException) -> None:
    if not events.publish_failed.has_listeners():
        return
    error = PublishError(
        f"{len(messages)} messages are not known to be published: {type(cause).__name__}: {cause}"
    )
    error.__cause__ = cause
    events.publish_failed.send_robust(sender=None, messages=tuple(messages), exception=error)


def _spilled(failures: Sequence[tuple[Outgoing, BaseException]]) -> bool:
    if _store is None:
        return False
    try:
        _store.spill([outgoing for outgoing, _ in failures])
    except Exception:  # noqa: BLE001 - whatever a store comes up with
        log(
            logging.ERROR,
            "The store could not keep %s messages that were not published, and they are lost",
            len(failures),
            exc_info=True,
        )
        return False
    return True
