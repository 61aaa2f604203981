"""Publishing a batch: every message is handed to the broker, kept for it, or reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.app import app_or_default

from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.parcels import parcels
from deferred_signals.publishing.recording import Recording
from deferred_signals.publishing.reports import Store, announce, report, spill_to
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.parcels import Parcel

__all__ = ["Store", "publish", "spill_to"]


def publish(batch: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, in order; wait for it at most ``PUBLISH_TIMEOUT``.

    Never raises for what a broker, a route, a serializer or the library does: the transaction is
    committed, and the caller's request must not fail by it. A message that has not left by then is
    kept in memory, as the settings ``KEEP_FOR``, ``KEEP_MESSAGES`` and ``KEEP_BYTES`` say, and leaves
    when the broker is back. A message that is not known to be published goes to the store, where one
    is plugged in; else it is logged as lost. Either way `deferred_signals.events.publish_failed` tells
    of it.
    """
    try:
        app = app_or_default()
        with line_of(app).taken() as line:
            flush = Recording(app, parcels(batch), _announce, _report)
            fates = line.publish(flush.publications, flush.tell)
        flush.tell(fates)
    except BaseException as error:
        report([(outgoing, error) for outgoing in batch])
        if not isinstance(error, Exception) or is_interruption(error):
            raise  # a time limit of the task, say, or Ctrl-C, during the wait


def _announce(published: Sequence[Parcel]) -> None:
    announce([outgoing for parcel in published for outgoing in parcel.outgoings])


def _report(failures: Sequence[tuple[Parcel, BaseException]]) -> None:
    report([(outgoing, error) for parcel, error in failures for outgoing in parcel.outgoings])
