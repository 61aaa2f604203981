"""Publish a batch: each message is handed to the broker, or reported; the caller gets no error."""

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
    """Hand messages to the broker, in order; wait for the broker at most ``PUBLISH_TIMEOUT``.

    No error of a broker, a route, a serializer or the library reaches the caller: the transaction
    is committed, and the caller's request must not fail for it. A message that is not known to be
    published goes to the store, where one is plugged in, and else is logged as lost. In both cases
    `deferred_signals.events.publish_failed` tells of it.

    Raises:
        BaseException: one that came from outside during the wait: Ctrl-C, a task's time limit.
    """
    try:
        failures = _publish(batch)
    except BaseException as error:
        report([(outgoing, error) for outgoing in batch])
        if not isinstance(error, Exception) or is_interruption(error):
            raise
        return
    announce([item for item in batch if item.message.id not in failures])
    if failures:
        report([(item, failures[id_]) for item in batch if (id_ := item.message.id) in failures])


def _publish(batch: Sequence[Outgoing]) -> dict[str, BaseException]:
    """Publish; return, by the messages' ids, why a message is not known to be published.

    Raises:
        BaseException: nothing is known of any message.
    """
    app = app_or_default()
    with line_of(app).taken() as line:
        return _publish_on(line, app, batch)


def _publish_on(line: Line, app: Celery, batch: Sequence[Outgoing]) -> dict[str, BaseException]:
    """Record what Celery would publish, and publish that on a line that this thread has taken."""
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
