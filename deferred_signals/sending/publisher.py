"""Publishing a batch: every message handed to the broker, or reported; never an error for the caller."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from celery.app import app_or_default

from deferred_signals import events
from deferred_signals.errors import PublishError
from deferred_signals.sending.chunks import parcels
from deferred_signals.sending.connection import line_of
from deferred_signals.sending.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.sending.chunks import Parcel
    from deferred_signals.sending.outgoing import Outgoing
    from deferred_signals.sending.patterns import Copy, Publication

__all__ = ["Store", "publish", "spill_to"]

logger = logging.getLogger("deferred_signals")


class Store(Protocol):
    """What keeps messages that could not be published, and publishes them later."""

    def spill(self, batch: Sequence[Outgoing]) -> None:
        """Keep the messages of a flush; what cannot be kept is an exception."""


_store: Store | None = None


def spill_to(store: Store | None) -> Store | None:
    """Let a store have what cannot be published; gives the one that had it until now."""
    global _store
    before, _store = _store, store
    return before


def publish(batch: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, in order; waits for it at most ``PUBLISH_TIMEOUT``.

    Never raises for what a broker, a route or a serializer does: the transaction is committed, and
    the caller's request must not fail by it. Each message that is not known to be published goes
    to the store, where one is plugged in. Else it is logged as lost. Either way
    `deferred_signals.events.publish_failed` tells of it.
    """
    try:
        failures = _publish(batch)
    except BaseException as error:  # a time limit of the task, say, or Ctrl-C, during the wait
        _report([(outgoing, error) for outgoing in batch])
        raise
    _announce([outgoing for outgoing in batch if outgoing.id not in failures])
    if failures:
        _report([(item, failures[item.id]) for item in batch if item.id in failures])


def _announce(batch: Sequence[Outgoing]) -> None:
    """Tell whoever listens of the messages that the broker has."""
    signal = events.message_published
    heard = {name for name in {item.receiver for item in batch} if signal.has_listeners(name)}
    for outgoing in batch:
        if outgoing.receiver in heard:
            signal.send_robust(sender=outgoing.receiver, message=outgoing.message)


def _publish(batch: Sequence[Outgoing]) -> dict[str, BaseException]:
    """Publish; gives by their ids the messages that are not known to be published, and why."""
    app = app_or_default()
    failures: dict[str, BaseException] = {}
    try:
        line = line_of(app)
        recorder = Recorder(app)
        waiting = parcels(batch)
    except Exception as error:  # noqa: BLE001 - Celery's settings
        return {outgoing.id: error for outgoing in batch}
    if line.broken is not None:
        return {outgoing.id: line.broken for outgoing in batch}
    publications: list[Publication | Copy] = []
    published: list[Parcel] = []
    for parcel in waiting:
        try:
            recorded = recorder.record(parcel)
        except Exception as error:  # noqa: BLE001 - a route or a task class of the project's
            failures |= dict.fromkeys(parcel.ids, error)
            continue
        publications += recorded
        published += [parcel] * len(recorded)
    for parcel, outcome in zip(published, line.publish(publications), strict=True):
        if outcome is not None:
            for id_ in parcel.ids:
                failures.setdefault(id_, outcome)
    return failures


def _report(failures: list[tuple[Outgoing, BaseException]]) -> None:
    """Hand what was not published to the store, and tell of it: one signal a cause."""
    batch = [outgoing for outgoing, _ in failures]
    fate = "is kept, to be published later" if _spilled(batch) else "is lost"
    causes: dict[int, tuple[BaseException, list[Outgoing]]] = {}
    for outgoing, cause in failures:
        causes.setdefault(id(cause), (cause, []))[1].append(outgoing)
        logger.error(
            "Message %s for receiver %s is not known to be published and %s: %s: %s",
            outgoing.id,
            outgoing.describe(),
            fate,
            type(cause).__name__,
            cause,
            extra={"receiver": outgoing.receiver, "message_id": outgoing.id},
        )
    for cause, concerned in causes.values():
        error = PublishError(
            f"{len(concerned)} messages are not known to be published: "
            f"{type(cause).__name__}: {cause}"
        )
        error.__cause__ = cause
        if events.publish_failed.has_listeners():
            messages = tuple(outgoing.message for outgoing in concerned)
            events.publish_failed.send_robust(sender=None, messages=messages, exception=error)


def _spilled(batch: Sequence[Outgoing]) -> bool:
    if _store is None:
        return False
    try:
        _store.spill(batch)
    except Exception:
        logger.exception("%s messages could not be kept either", len(batch))
        return False
    return True
