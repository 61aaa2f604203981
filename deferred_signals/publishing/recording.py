"""The parcels of one flush: recorded, and told of when their fates are known."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from deferred_signals.publishing.parcels import Postable
from deferred_signals.publishing.recorder import Recorder
from deferred_signals.support.forks import unforked
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Fates
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Recording"]


P = TypeVar("P", bound=Postable)


class Recording(Generic[P]):
    """What publishing some parcels comes to.

    Arguments:
        app: the Celery app that publishes the parcels, which is the current one.
        parcels: the parcels, in order.
        published: is called with parcels that the broker has.
        failed: is called with parcels of which that is not known, and why.

    Attributes:
        publications: what there is to publish.
    """

    def __init__(
        self,
        app: Celery,
        parcels: Sequence[P],
        published: Callable[[Sequence[P]], None],
        failed: Callable[[Sequence[tuple[P, BaseException]]], None],
    ) -> None:
        self.publications: list[Publication | Copy] = []
        self._published = published
        self._failed = failed
        self._parcels: list[P] = []
        #: Publications of each parcel that have no fate yet. Celery may announce a message by an event.
        self._open: Counter[int] = Counter()
        self._failures: dict[int, Exception] = {}
        self._unrecorded: list[tuple[P, BaseException]] = []
        with unforked():
            recorder = Recorder(app)
            for parcel in parcels:
                self._record(recorder, parcel)

    def _record(self, recorder: Recorder, parcel: P) -> None:
        try:
            recorded = recorder.record(parcel)
        except Exception as error:  # a route or a task class of the project's
            if is_interruption(error):
                raise
            self._unrecorded.append((parcel, error))
            return
        self.publications += recorded
        self._parcels += [parcel] * len(recorded)
        self._open[id(parcel)] = len(recorded)

    def tell(self, fates: Fates) -> None:
        """Tell of the parcels whose fates this completes."""
        failures, self._unrecorded = self._unrecorded, []
        published: list[P] = []
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
                published.append(parcel)
            else:
                failures.append((parcel, failure))
        self._published(published)
        if failures:
            self._failed(failures)
