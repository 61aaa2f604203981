"""Publishing a batch: every message is handed to the broker, kept for it, or reported."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from celery.app import app_or_default

from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.parcels import parcels
from deferred_signals.publishing.recording import Recording
from deferred_signals.publishing.remaining import remaining
from deferred_signals.publishing.reports import Unpublished, announce, announce_kept
from deferred_signals.publishing.spilling import is_waiting, report, spill
from deferred_signals.publishing.stores import has_store
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.job import Fates
    from deferred_signals.publishing.parcels import Parcel
    from deferred_signals.publishing.patterns import Copy, Publication
    from deferred_signals.publishing.recording import Told, Unsent

__all__ = ["publish"]


def publish(batch: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, in order; wait for it at most ``PUBLISH_TIMEOUT``.

    Never raises for what a broker, a route, a serializer or the library does: the transaction is
    committed, and the caller's request must not fail by it. A message that has not left by then is
    kept in memory, as the settings ``KEEP_FOR``, ``KEEP_MESSAGES`` and ``KEEP_BYTES`` say, and leaves
    when the broker is back. A message that the broker does not have goes to the store, where one is
    plugged in. Without a store, and if it may have arrived, it is logged as lost. Either way
    `deferred_signals.events.publish_failed` tells of it.
    """
    flush: Recording[Parcel] | None = None
    fates: Fates | None = None
    try:
        app = app_or_default()
        with line_of(app).taken() as line:
            flush = Recording(app, parcels(batch), _announce, _report)
            fates = line.publish(flush.publications, flush.tell, tell_late=flush.tell_late)
        flush.tell(fates)
        announce_kept(_outgoings(flush.kept(fates)))
    except BaseException as error:
        if flush is None:
            report([Unpublished(outgoing, error, is_certain=True) for outgoing in batch])
        elif fates is None:
            flush.end(error)
        if not isinstance(error, Exception) or is_interruption(error):
            raise  # a time limit of the task, say, or Ctrl-C, during the wait
    finally:
        if is_waiting():
            _spill_soon()


def _spill_soon() -> None:
    try:
        line_of(app_or_default()).spill_soon()
    except Exception:  # noqa: BLE001 - as above: there is no app, and so no line
        spill()


def _announce(published: Sequence[Parcel], told: Told) -> None:
    announce(_outgoings(published), took=told.took, was_kept=told.was_kept)


def _outgoings(found: Sequence[Parcel]) -> list[Outgoing]:
    return [outgoing for parcel in found for outgoing in parcel.outgoings]


def _report(failures: Sequence[Unsent[Parcel]], told: Told) -> None:
    report(
        [
            Unpublished(_left_of(outgoing, publication), error, is_certain, told.was_kept)
            for parcel, error, is_certain, publication in failures
            for outgoing in parcel.outgoings
        ]
    )


def _left_of(outgoing: Outgoing, publication: Publication | Copy | None) -> Outgoing:
    """Return a message with what is left of its options, if a store will ask for that."""
    if has_store():
        with suppress(Exception):  # whoever patched Celery may write messages of another form
            return remaining(outgoing, publication)
    return outgoing
