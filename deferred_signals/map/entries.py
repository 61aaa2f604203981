"""The map as data: signals, and who listens to them."""

# Without `annotations` of the future: a dataclass would compile each text again.
from collections.abc import Mapping
from typing import Literal, NamedTuple

from deferred_signals.policies import Retry
from deferred_signals.support.frozen import Frozen

__all__ = [
    "Callback",
    "Deferral",
    "MappedReceiver",
    "MappedSignal",
    "Place",
    "ReceiverMap",
    "Runs",
    "Told",
]

#: Where a receiver runs: in the sender's process, there as a coroutine, or on a worker.
Runs = Literal["sync", "async", "deferred"]


class Place(NamedTuple):
    """Where something is in the code: an absolute path, and a line where that is known."""

    file: str
    line: int | None


class Callback(NamedTuple):
    """A callable that decides at each send, by its dotted path."""

    path: str


#: What is told of the value of an option.
Told = bool | float | str | Callback | Retry | tuple[str, ...] | None


class Deferral(Frozen):
    """How a receiver is deferred.

    Attributes:
        queue: the queue of its messages; a `Callback` if a callable of the project's names one for each
            send; None if Celery's routes decide it for each message.
        policy: the name of the policy of the settings that `retry` is; None if the receiver has its own.
        retry: what is in force; None if the settings have no policy of that name.
        durable: whether its messages are rows of the outbox.
        options: what its declaration gives, in the order of the table of options: those that are not
            the default. What the settings add is not among them.
        by_settings: whether its declaration is an entry of the setting ``DEFER``, and not code.
    """

    queue: str | Callback | None
    policy: str | None
    retry: Retry | None
    durable: bool
    options: Mapping[str, Told]
    by_settings: bool = False


class MappedReceiver(Frozen):
    """One connection: a receiver that listens to a signal, of one sender or of all.

    Attributes:
        name: the name of a deferred receiver, which is its task's; the dotted path of another one.
        sender: a model's label, the dotted path of another sender, or a text in quotes; None: all senders.
        runs: where the receiver runs.
        place: where the receiver is in the code.
        is_own: whether it is code of the project's, and not of Django or of an installed package.
        apps: labels of the Django apps that the receiver's code and the sender belong to.
        dispatch_uid: the one that was given, if it is a text.
        deferral: how it is deferred; None if it is not.
    """

    name: str
    sender: str | None
    runs: Runs
    place: Place | None
    is_own: bool
    apps: frozenset[str]
    dispatch_uid: str | None = None
    deferral: Deferral | None = None


class MappedSignal(Frozen):
    """A signal, and who listens to it, sorted by sender and name.

    Attributes:
        name: its dotted path. A signal that no module holds has the name that messages have for it:
            that of a receiver, and a number.
        place: where the signal is declared.
        is_own: whether the project declares it, and not Django or an installed package.
        app: the label of the Django app that declares it.
        receivers: all of its connections.
    """

    name: str
    place: Place | None
    is_own: bool
    app: str | None
    receivers: tuple[MappedReceiver, ...]


class ReceiverMap(Frozen):
    """All signals of the modules that are loaded, sorted by name; those that nobody hears, too."""

    signals: tuple[MappedSignal, ...]

    @property
    def receivers(self) -> list[MappedReceiver]:
        """List the connections of all signals."""
        return [receiver for signal in self.signals for receiver in signal.receivers]
