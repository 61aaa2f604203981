"""The parcels of one flush: recorded, and told of when their fates are known."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from time import monotonic
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from deferred_signals.publishing.parcels import Postable
from deferred_signals.publishing.recorder import Recorder
from deferred_signals.support.forks import unforked
from deferred_signals.support.telling import is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from deferred_signals.publishing.job import Failure, Fates
    from deferred_signals.publishing.patterns import Copy, Publication

__all__ = ["Recording", "Told", "Unsent"]


P = TypeVar("P", bound=Postable)


class Unsent(NamedTuple, Generic[P]):
    """A parcel that the broker is not known to have.

    Attributes:
        parcel: the parcel.
        error: why.
        is_certain: the broker has nothing of it. Else it may have arrived.
        publication: the parcel's message as it was recorded; None if it could not be.
    """

    parcel: P
    error: BaseException
    is_certain: bool
    publication: Publication | Copy | None


class Told(NamedTuple):
    """How parcels came to the fate that is told.

    Attributes:
        took: seconds since they were recorded.
        was_kept: the commit went on before their fate was known, and they waited in memory.
    """

    took: float
    was_kept: bool


class Recording(Generic[P]):
    """What publishing some parcels comes to.

    Arguments:
        app: the Celery app that publishes the parcels, which is the current one.
        parcels: the parcels, in order.
        published: is called with parcels that the broker has.
        failed: is called with those of which that is not known.

    Attributes:
        publications: what there is to publish.
    """

    def __init__(
        self,
        app: Celery,
        parcels: Sequence[P],
        published: Callable[[Sequence[P], Told], None],
        failed: Callable[[Sequence[Unsent[P]], Told], None],
    ) -> None:
        self._began = monotonic()
        self.publications: list[Publication | Copy] = []
        self._published = published
        self._failed = failed
        self._parcels: list[P] = []
        #: Publications of each parcel that have no fate yet. Celery may announce a message by an event.
        self._open: Counter[int] = Counter()
        self._failures: dict[int, list[Failure]] = {}
        self._unrecorded: list[Unsent[P]] = []
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
            self._unrecorded.append(Unsent(parcel, error, is_certain=True, publication=None))
            return
        self.publications += recorded
        self._parcels += [parcel] * len(recorded)
        self._open[id(parcel)] = len(recorded)

    def kept(self, fates: Fates) -> list[P]:
        """Return the parcels that are told of later, as only some fates are known when the commit goes on."""
        untold = {id(one): one for place, one in enumerate(self._parcels) if place not in fates}
        return list(untold.values())

    def tell(self, fates: Fates) -> None:
        """Tell of the parcels whose fates this completes."""
        self._tell(fates, was_kept=False)

    def tell_late(self, fates: Fates) -> None:
        """Do the same when the commit has gone on."""
        self._tell(fates, was_kept=True)

    def _tell(self, fates: Fates, *, was_kept: bool) -> None:
        told = self._told(was_kept=was_kept)
        failures, self._unrecorded = self._unrecorded, []
        published: list[P] = []
        for place, fate in sorted(fates.items(), key=itemgetter(0)):
            parcel = self._parcels[place]
            key = id(parcel)
            if fate is not None:
                self._failures.setdefault(key, []).append(fate)
            self._open[key] -= 1
            if self._open[key]:
                continue
            found = self._failures.pop(key, None)
            if found is None:
                published.append(parcel)
            else:
                failures.append(self._unsent(place, found))
        try:
            self._published(published, told)
        finally:
            if failures:
                self._failed(failures, told)

    def end(self, error: BaseException) -> None:
        """Tell of the parcels that nothing was told of, since publishing was interrupted."""
        failures, self._unrecorded = self._unrecorded, []
        untold = {id(parcel): parcel for parcel in self._parcels if self._open[id(parcel)]}
        self._open.clear()
        failures += [
            Unsent(one, error, is_certain=False, publication=None) for one in untold.values()
        ]
        if failures:
            self._failed(failures, self._told(was_kept=False))

    def _told(self, *, was_kept: bool) -> Told:
        return Told(monotonic() - self._began, was_kept)

    def _unsent(self, place: int, failures: list[Failure]) -> Unsent[P]:
        """Put together what became of the publications of a parcel, one of which is at a place."""
        parcel, parcels = self._parcels[place], self._parcels
        first = end = place  # they stand together, the message before Celery's event
        while first and parcels[first - 1] is parcel:
            first -= 1
        while end < len(parcels) and parcels[end] is parcel:
            end += 1
        is_certain = len(failures) == end - first and all(one.is_certain for one in failures)
        return Unsent(parcel, failures[0].error, is_certain, self.publications[first])
