"""The port of durable delivery on a worker: the outbox app plugs in here what runs rows.

A task that is given a wake-up instead of a message runs a row. What goes on beside the tasks, like the
renewal of claims, begins and ends with the worker.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from celery.signals import (
    worker_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from deferred_signals.errors import ConfigurationError, DecodeError
from deferred_signals.message.wakeup import WakeUp, is_wake_up
from deferred_signals.publishing.patterns import Route
from deferred_signals.support.plug import Plug

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deferred_signals.message import Message
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.worker.delivery import Delivery, Elsewhere, GivenBack
    from deferred_signals.worker.progress import Progress

__all__ = [
    "Kept",
    "Received",
    "Rows",
    "has_rows",
    "keep_rows_in",
    "last_received",
    "note_received",
    "rows",
    "running_wake_ups",
]


class Kept(NamedTuple):
    """A message of commit delivery that becomes a row.

    Attributes:
        message: the message; one that waits asks for its next run.
        options: of ``apply_async``, as the message came; ``countdown`` is the wait.
        runs: how many were begun.
        error: the failure that it waits for, or died of, if there was one.
    """

    message: Message
    options: dict[str, Any]
    runs: int
    error: BaseException | None


class Rows(Protocol):
    """Durable delivery on a worker."""

    def run(self, delivery: Delivery, wake_up: WakeUp) -> Outcome | Elsewhere | GivenBack | None:
        """Claim the row of a wake-up, run it, and settle it; return what to tell Celery.

        None stands for a row that is not this worker's to run, and which is told of elsewhere.
        """

    def run_chunk(
        self, delivery: Delivery, wake_ups: Sequence[WakeUp], progress: Progress
    ) -> GivenBack | None:
        """Do the same for several rows; return what to tell Celery."""

    def charge(
        self,
        name: str,
        wake_ups: Sequence[str],
        progress: Progress,
        pid: int | None,
        error: BaseException,
    ) -> None:
        """Charge the run of a row whose process died, soon, and on another thread.

        Arguments:
            name: the receiver's name.
            wake_ups: all that the process was given.
            progress: how many of their runs have begun, and how many are through.
            pid: of the process; None where it is not known.
            error: what ended the run.
        """

    def keep(self, kept: Sequence[Kept]) -> None:
        """Keep messages of commit delivery until they are due; those that are there already stay.

        Raises:
            Exception: they cannot be kept.
        """

    def bury(self, kept: Sequence[Kept], *, soon: bool) -> None:
        """Leave the dead letters of messages of commit delivery; log what cannot be written.

        Arguments:
            kept: the messages.
            soon: do so on another thread: the caller must not wait for a database.
        """

    def look(self) -> int:
        """Wake up all that is due; return how many rows that were."""

    def begin(self) -> None:
        """Begin to renew claims and to wake up what is due: the worker is ready."""

    def end(self) -> None:
        """End that: the worker shuts down."""

    def leave(self) -> None:
        """Close what this process has open: it is a worker's child that ends."""


_rows = Plug["Rows"]()


def keep_rows_in(make: Callable[[], Rows] | None) -> Callable[[], Rows] | None:
    """Plug durable delivery in; return what was plugged in until now.

    Arguments:
        make: is called when a worker starts; None: there is no outbox.
    """
    return _rows.put(make)


def has_rows() -> bool:
    """Return whether this worker has an outbox."""
    return _rows.is_used


def rows() -> Rows:
    """Return what runs rows.

    Raises:
        ConfigurationError: this worker has no outbox.
    """
    found = _rows.get()
    if found is None:
        raise ConfigurationError(
            "This worker was woken up for a durable message, and cannot read it. Add "
            "'deferred_signals.outbox' to INSTALLED_APPS. The message waits in its table."
        )
    return found


class Received(NamedTuple):
    """What this worker has received by a route.

    Attributes:
        newest: when the newest wake-up was made, by the database's clock, in seconds since the epoch.
        ago: seconds since the last one arrived.
    """

    newest: float
    ago: float


#: Of each route: when the newest wake-up was made, and when the last one arrived, by the clock of
#: `time.monotonic`.
_received: dict[Route, tuple[float, float]] = {}


def note_received(wake_up: str, info: Mapping[str, Any]) -> None:
    """Note that this worker has received a wake-up.

    Arguments:
        wake_up: its text.
        info: Celery's ``delivery_info`` of its message.
    """
    with suppress(DecodeError):
        at = WakeUp.from_wire(wake_up).at
        route = Route(
            info.get("exchange") or "", info.get("routing_key") or "", info.get("priority") or 0
        )
        newest, _arrived = _received.get(route, (0.0, 0.0))
        _received[route] = max(at, newest), monotonic()


def last_received(route: Route) -> Received | None:
    """Return what this worker has received by a route; None: nothing."""
    found = _received.get(route)
    return None if found is None else Received(found[0], monotonic() - found[1])


def running_wake_ups() -> list[tuple[str, int]]:
    """List the wake-ups whose tasks are running in this worker, with the processes that run them.

    Celery's `active_requests` are what a worker's parent knows to be running.
    """
    return [
        (str(argument), getattr(request, "worker_pid", None) or os.getpid())
        for request in _running()
        for argument in _arguments_of(request)
        if is_wake_up(argument)
    ]


def _running() -> Sequence[object]:
    """List the requests that are running; the worker's own thread may add one at any moment."""
    from celery.worker import state  # noqa: PLC0415 - most processes are no workers

    while True:
        try:
            return tuple(state.active_requests)
        except RuntimeError:  # one was added just now
            continue


def _arguments_of(request: object) -> Sequence[object]:
    arguments = getattr(request, "args", None)
    return arguments if isinstance(arguments, (list, tuple)) else ()


@worker_init.connect(weak=False, dispatch_uid="deferred_signals.rows")
def _prepare(**_kwargs: object) -> None:
    if has_rows():  # before children are forked, so that none imports it again
        rows()


@worker_ready.connect(weak=False, dispatch_uid="deferred_signals.rows")
def _begin(**_kwargs: object) -> None:
    if has_rows():
        rows().begin()


@worker_shutdown.connect(weak=False, dispatch_uid="deferred_signals.rows")
def _end(**_kwargs: object) -> None:
    if has_rows():
        rows().end()


@worker_process_shutdown.connect(weak=False, dispatch_uid="deferred_signals.rows")
def _leave(**_kwargs: object) -> None:
    if _rows.made is not None:
        _rows.made.leave()
