"""Publish wake-ups of durable messages.

A wake-up goes the way of any message: by the receiver's own task, its route and its options. Nothing is
lost with one, as the row stays.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from celery.app import app_or_default

from deferred_signals import events
from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.recording import Recording
from deferred_signals.support.telling import is_interruption, log, telling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message

__all__ = ["Waking", "try_to_wake", "wake"]


class Waking(NamedTuple):
    """The wake-up for one row, and how it is published.

    Attributes:
        name: the task's name, which is the receiver's.
        task_id: the message's id.
        payload: the wake-up's text.
        argsrepr: describes the message for logs and monitors.
        options: of ``apply_async``.
        message: the message, where somebody is to be told that it was published.
    """

    name: str
    task_id: str
    payload: str
    argsrepr: str
    options: dict[str, Any]
    message: Message | None = None

    @property
    def payloads(self) -> tuple[str, ...]:
        """Return the task's arguments."""
        return (self.payload,)


def wake(wakings: Sequence[Waking]) -> None:
    """Publish wake-ups, without waiting for the broker; never raises for what it or a route does.

    One that does not leave is kept in memory like any message, and then forgotten: a relay finds the
    row.
    """
    if not wakings:
        return
    try:
        app = app_or_default()
        with line_of(app).taken() as line:
            recording = Recording(app, wakings, _announce, _warn)
            fates = line.publish(recording.publications, recording.tell, wait=False)
        recording.tell(fates)
    except BaseException as error:
        _warn([(waking, error) for waking in wakings])
        if not isinstance(error, Exception) or is_interruption(error):
            raise


def try_to_wake(wakings: Sequence[Waking]) -> list[tuple[Waking, BaseException]]:
    """Publish wake-ups, and wait for the broker; return those that it is not known to have, and why."""
    failed: list[tuple[Waking, BaseException]] = []
    app = app_or_default()
    with line_of(app).taken() as line:
        recording = Recording(app, wakings, _ignore, failed.extend)
        fates = line.publish(recording.publications, recording.tell, keep=False)
    recording.tell(fates)
    return failed


def _ignore(_published: Sequence[Waking]) -> None:
    """Tell nobody of what a relay publishes."""


#: Whether the log was told that wake-ups do not leave, since the last one that did.
_warned: list[bool] = []


def _announce(published: Sequence[Waking]) -> None:
    if published:
        _warned.clear()
    for waking in published:
        if waking.message is not None:
            with telling():
                events.message_published.send_robust(sender=waking.name, message=waking.message)


def _warn(failures: Sequence[tuple[Waking, BaseException]]) -> None:
    """Warn once an outage."""
    if _warned:
        return
    _warned.append(True)
    _waking, cause = failures[0]
    log(
        logging.WARNING,
        "Wake-ups of durable messages cannot be published (%s: %s). The messages are in the outbox, and "
        "will be delivered by the relay",
        type(cause).__name__,
        cause,
    )
