"""Publish wake-ups of durable messages.

A wake-up goes the way of any message: by the receiver's own task, its route and its options. Nothing is
lost with one, as the row stays.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from celery.app import app_or_default

from deferred_signals import events
from deferred_signals.publishing.celery_tasks import argsrepr
from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.parcels import NO_HEADERS, with_longer_limits
from deferred_signals.publishing.recording import Recording
from deferred_signals.receivers import registry
from deferred_signals.support.ids import new_id
from deferred_signals.support.records import about
from deferred_signals.support.telling import is_interruption, log, telling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.message import Message
    from deferred_signals.publishing.recording import Told, Unsent

__all__ = ["WakeUps", "Waking", "alone", "try_to_wake", "wake"]


class Waking(NamedTuple):
    """The wake-up for one row, and how it is published.

    Attributes:
        name: the task's name, which is the receiver's.
        id: the message's id.
        attempt: the runs that were begun before.
        payload: the wake-up's text.
        description: describes the message for logs and monitors.
        options: of ``apply_async``.
        headers: those that the message came with, if it was one of commit delivery; they are its last.
        message: the message, where somebody is to be told that it was published.
    """

    name: str
    id: str
    attempt: int
    payload: str
    description: str
    options: dict[str, Any]
    message: Message | None = None
    headers: Mapping[str, Any] = NO_HEADERS


class WakeUps(NamedTuple):
    """What becomes one message of Celery's: the wake-up for one row, or for a chunk of them.

    Attributes:
        task_id: the message's id; a chunk has an id of its own.
        wakings: the wake-ups, all for one receiver and one attempt.
        options: of ``apply_async``.
    """

    task_id: str
    wakings: tuple[Waking, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        """Return the task's name, which is the receiver's."""
        return self.wakings[0].name

    @property
    def payloads(self) -> tuple[str, ...]:
        """Return the task's arguments."""
        return tuple([waking.payload for waking in self.wakings])

    @property
    def headers(self) -> Mapping[str, Any]:
        """Return the headers of the messages, which have the same."""
        return self.wakings[0].headers

    @property
    def argsrepr(self) -> str:
        """Describe the messages, for logs and monitors."""
        return argsrepr([waking.description for waking in self.wakings])


def alone(waking: Waking) -> WakeUps:
    """Return the message of one wake-up."""
    return WakeUps(waking.id, (waking,), waking.options)


def _together(wakings: Sequence[Waking]) -> list[WakeUps]:
    """Put wake-ups together that may travel together, as their receiver's ``chunk_size`` allows."""
    chunks: list[list[Waking]] = []
    open_: dict[tuple[str, int], list[Waking]] = {}
    for waking in wakings:
        receiver = registry.find(waking.name)
        most = 1 if receiver is None else receiver.options.chunk_size
        chunk = open_.get((waking.name, waking.attempt))
        if chunk is None or len(chunk) >= most or chunk[0].options != waking.options:
            chunk = open_[waking.name, waking.attempt] = []
            chunks.append(chunk)
        chunk.append(waking)
    return [
        alone(chunk[0])
        if len(chunk) == 1
        else WakeUps(new_id(), tuple(chunk), with_longer_limits(chunk[0].options, len(chunk)))
        for chunk in chunks
    ]


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
            recording = Recording(app, _together(wakings), _announce, _warn_of_parcels)
            fates = line.publish(
                recording.publications,
                recording.tell,
                tell_late=recording.tell_late,
                wait=False,
            )
        recording.tell(fates)
    except BaseException as error:
        _warn(error)
        if not isinstance(error, Exception) or is_interruption(error):
            raise


def try_to_wake(wakings: Sequence[Waking]) -> dict[str, BaseException]:
    """Publish wake-ups, and wait for the broker; return the ids of those that it may not have, and why."""
    failed: list[Unsent[WakeUps]] = []
    app = app_or_default()
    with line_of(app).taken() as line:
        recording = Recording(
            app, _together(wakings), _ignore, lambda unsent, _told: failed.extend(unsent)
        )
        fates = line.publish(recording.publications, recording.tell, keep=False)
    recording.tell(fates)
    return {waking.id: one.error for one in failed for waking in one.parcel.wakings}


def _ignore(_published: Sequence[WakeUps], _told: Told) -> None:
    """Tell nobody of what a relay publishes."""


#: Whether the log was told that wake-ups do not leave, since the last one that did.
_warned: list[bool] = []


def _announce(published: Sequence[WakeUps], told: Told) -> None:
    if published:
        _warned.clear()
    for parcel in published:
        for waking in parcel.wakings:
            if waking.message is not None:
                with telling():
                    events.message_published.send_robust(
                        sender=waking.name,
                        message=waking.message,
                        took=told.took,
                        was_kept=False,  # what was kept is the wake-up; the message is a row
                    )


def _warn_of_parcels(failures: Sequence[Unsent[WakeUps]], _told: Told) -> None:
    _warn(failures[0].error)


def _warn(cause: BaseException) -> None:
    """Warn once an outage."""
    if _warned:
        return
    _warned.append(True)
    log(
        logging.WARNING,
        "Wake-ups of durable messages cannot be published (%s: %s). The messages are in the outbox, and "
        "will be delivered by the relay",
        type(cause).__name__,
        cause,
        extra=about("wake_ups_delayed"),
    )
