"""Publishing a batch: every message handed to the broker, or reported; never an error for the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.app import app_or_default

from deferred_signals.publishing.lines import Line, line_of
from deferred_signals.publishing.parcels import parcels
from deferred_signals.publishing.recorder import Recorder
from deferred_signals.publishing.reports import Store, announce, report, spill_to
from deferred_signals.support.forks import unforked
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.publishing.parcels import Parcel
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Store", "publish", "spill_to"]


def publish(batch: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, in order; waits for it at most ``PUBLISH_TIMEOUT``.

    Never raises for what a broker, a route, a serializer or the library does: the transaction is
    committed, and the caller's request must not fail by it. Each message that is not known to be
    published goes to the store, where one is plugged in. Else it is logged as lost. Either way
    `deferred_signals.events.publish_failed` tells of it.
    """
    try:
        failures = _publish(batch)
    except BaseException as error:
        report([(outgoing, error) for outgoing in batch])
        if not isinstance(error, Exception) or is_interruption(error):
            raise  # a time limit of the task, say, or Ctrl-C, during the wait
        return
    announce([item for item in batch if item.message.id not in failures])
    if failures:
        report([(item, failures[id_]) for item in batch if (id_ := item.message.id) in failures])


def _publish(batch: Sequence[Outgoing]) -> dict[str, BaseException]:
    """Publish; gives by their ids the messages that are not known to be published, and why."""
    app = app_or_default()
    with line_of(app).taken() as line:
        return _publish_on(line, app, batch)


def _publish_on(line: Line, app: Celery, batch: Sequence[Outgoing]) -> dict[str, BaseException]:
    failures: dict[str, BaseException] = {}
    publications: list[Publication | Copy] = []
    published: list[Parcel] = []
    with unforked():
        outage = line.outage()
        if outage is not None:
            return {outgoing.message.id: outage for outgoing in batch}
        recorder = Recorder(app)
        for parcel in parcels(batch):
            try:
                recorded = recorder.record(parcel)
            except Exception as error:  # a route or a task class of the project's
                if is_interruption(error):
                    raise
                failures |= dict.fromkeys(parcel.ids, error)
                continue
            publications += recorded
            published += [parcel] * len(recorded)
    for parcel, outcome in zip(published, line.publish(publications), strict=True):
        if outcome is not None:
            for id_ in parcel.ids:
                failures.setdefault(id_, outcome)
    return failures
