"""Publishing a batch: every message is handed to the broker, kept for it, or reported."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

from celery.app import app_or_default

from deferred_signals.publishing.lines import line_of
from deferred_signals.publishing.parcels import parcels
from deferred_signals.publishing.recorder import Recorder
from deferred_signals.publishing.reports import Store, announce, report, spill_to
from deferred_signals.support.forks import unforked
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.job import Fates
    from deferred_signals.publishing.parcels import Parcel
    from deferred_signals.publishing.patterns import Copy, Publication

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
            flush = _Flush()
            fates = line.publish(flush.record(app, batch), flush.tell)
        flush.tell(fates)
    except BaseException as error:
        report([(outgoing, error) for outgoing in batch])
        if not isinstance(error, Exception) or is_interruption(error):
            raise  # a time limit of the task, say, or Ctrl-C, during the wait


class _Flush:
    """The messages of one flush: recorded, and told of when their fates are known."""

    def __init__(self) -> None:
        self._parcels: list[Parcel] = []
        #: Publications of each parcel that have no fate yet. Celery may announce a message by an event.
        self._open: Counter[int] = Counter()
        self._failures: dict[int, Exception] = {}
        self._unrecorded: list[tuple[Outgoing, BaseException]] = []

    def record(self, app: Celery, batch: Sequence[Outgoing]) -> list[Publication | Copy]:
        """Record what publishing a batch comes to."""
        publications: list[Publication | Copy] = []
        with unforked():
            recorder = Recorder(app)
            for parcel in parcels(batch):
                try:
                    recorded = recorder.record(parcel)
                except Exception as error:  # a route or a task class of the project's
                    if is_interruption(error):
                        raise
                    self._unrecorded += [(outgoing, error) for outgoing in parcel.outgoings]
                    continue
                publications += recorded
                self._parcels += [parcel] * len(recorded)
                self._open[id(parcel)] = len(recorded)
        return publications

    def tell(self, fates: Fates) -> None:
        """Tell of the messages whose fates this completes."""
        failures, self._unrecorded = self._unrecorded, []
        published: list[Outgoing] = []
        for place, fate in sorted(fates.items(), key=itemgetter(0)):
            parcel = self._parcels[place]
            key = id(parcel)
            if fate is not None:
                self._failures.setdefault(key, fate)
            self._open[key] -= 1
            if self._open[key]:
                continue
            failure = self._failures.pop(key, None)
            if failure is None:
                published += parcel.outgoings
            else:
                failures += [(outgoing, failure) for outgoing in parcel.outgoings]
        announce(published)
        if failures:
            report(failures)
