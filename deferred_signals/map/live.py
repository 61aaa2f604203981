"""Compare the queues of deferred receivers with those that running workers take from."""

# Without `annotations` of the future: a dataclass would compile each text again.
from collections.abc import Mapping

from deferred_signals.map.entries import ReceiverMap
from deferred_signals.publishing.workers import queues_of_workers
from deferred_signals.support.frozen import Frozen

__all__ = ["Live", "MappedQueue", "ask_workers"]


class MappedQueue(Frozen):
    """A queue of deferred receivers.

    Attributes:
        name: the queue's.
        receivers: the names of those whose messages go to it.
        workers: the names of the workers that answered, and take from it.
    """

    name: str
    receivers: tuple[str, ...]
    workers: tuple[str, ...]


class Live(Frozen):
    """What running workers answered.

    Attributes:
        seconds: how long they had for it.
        workers: the queues of each worker that answered. Where there is none, nobody knows whether a
            worker runs: one that is busy, or whose remote control is off, does not answer.
        queues: the queues of the map, sorted by name.
        undecided: the receivers whose queue a callable or a route of the project's chooses.
    """

    seconds: float
    workers: Mapping[str, tuple[str, ...]]
    queues: tuple[MappedQueue, ...]
    undecided: tuple[str, ...]

    @property
    def untaken(self) -> list[MappedQueue]:
        """List the queues that no worker takes from, of those that answered."""
        return [queue for queue in self.queues if not queue.workers]


def ask_workers(found: ReceiverMap, seconds: float) -> Live:
    """Ask all running workers which queues they take from.

    Arguments:
        found: the map, whose queues are looked for.
        seconds: how long to wait for answers.

    Raises:
        Exception: the broker cannot be asked.
    """
    workers = {name: tuple(taken) for name, taken in sorted(queues_of_workers(seconds).items())}
    receivers: dict[str, set[str]] = {}
    undecided = set()
    for receiver in found.receivers:
        if receiver.deferral is None:
            continue
        queue = receiver.deferral.queue
        if isinstance(queue, str):
            receivers.setdefault(queue, set()).add(receiver.name)
        else:
            undecided.add(receiver.name)
    return Live(
        seconds=seconds,
        workers=workers,
        queues=tuple(
            MappedQueue(
                name=queue,
                receivers=tuple(sorted(names)),
                workers=tuple(name for name, taken in workers.items() if queue in taken),
            )
            for queue, names in sorted(receivers.items())
        ),
        undecided=tuple(sorted(undecided)),
    )
