"""Tell the project what became of the messages of a flush.

Whatever handlers do, nothing in here makes the commit fail.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals import events
from deferred_signals.errors import PublishError
from deferred_signals.support.records import about
from deferred_signals.support.telling import log, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.dispatch import Signal

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing

__all__ = ["Unpublished", "announce", "announce_kept", "tell"]


class Unpublished(NamedTuple):
    """A message that the broker is not known to have.

    Attributes:
        outgoing: the message, with what is left of its options.
        error: why.
        is_certain: the broker does not have it, as it was never written, or was refused. Else it may have
            arrived.
        was_kept: it waited in memory after the commit had gone on.
    """

    outgoing: Outgoing
    error: BaseException
    is_certain: bool = False
    was_kept: bool = False


def announce(batch: Sequence[Outgoing], *, took: float, was_kept: bool) -> None:
    """Send ``message_published`` for each message that the broker has.

    Arguments:
        batch: the messages.
        took: seconds since they were handed over to be published.
        was_kept: they waited in memory after the commit had gone on.
    """
    _announce(events.message_published, batch, took=took, was_kept=was_kept)


def announce_kept(batch: Sequence[Outgoing]) -> None:
    """Send ``message_kept`` for each message that waits in memory while its commit goes on."""
    _announce(events.message_kept, batch)


def _announce(signal: Signal, batch: Sequence[Outgoing], **values: object) -> None:
    heard = {
        name for name in {item.message.receiver for item in batch} if signal.has_listeners(name)
    }
    for outgoing in batch:
        message = outgoing.message
        if message.receiver in heard and not outgoing.quiet:
            with telling():
                signal.send_robust(sender=message.receiver, message=message, **values)


def tell(failures: Sequence[Unpublished], *, is_kept: bool) -> None:
    """Log each message that was not published, and send ``publish_failed`` for each cause.

    Arguments:
        failures: the messages.
        is_kept: they will be published later; else they are lost.
    """
    causes: dict[tuple[int, bool], tuple[BaseException, list[Message]]] = {}
    for outgoing, cause, _, was_kept in failures:
        if outgoing.quiet:
            continue
        message = outgoing.message
        causes.setdefault((id(cause), was_kept), (cause, []))[1].append(message)
        log(
            logging.WARNING if is_kept else logging.ERROR,
            "Message %s for receiver %s is not %s: %s: %s",
            message.id,
            message.describe(),
            "published and is kept, to be published later"
            if is_kept
            else "known to be published and is lost",
            type(cause).__name__,
            cause,
            extra=about(
                "spilled" if is_kept else "lost",
                receiver=message.receiver,
                message_id=message.id,
            ),
        )
    for (_, was_kept), (cause, concerned) in causes.items():
        with telling():
            _tell_failure(concerned, cause, is_kept=is_kept, was_kept=was_kept)


def _tell_failure(
    messages: list[Message], cause: BaseException, *, is_kept: bool, was_kept: bool
) -> None:
    if not events.publish_failed.has_listeners():
        return
    fate = "published and are kept, to be published later" if is_kept else "known to be published"
    error = PublishError(
        f"{len(messages)} messages are not {fate}: {type(cause).__name__}: {cause}"
    )
    error.is_kept = is_kept
    error.__cause__ = cause
    events.publish_failed.send_robust(
        sender=None, messages=tuple(messages), exception=error, was_kept=was_kept
    )
