"""Record what Celery would publish: one message by its own ``apply_async``, the others as copies.

``apply_async`` takes a ``producer``. Here it is given one that keeps what it is told to publish. So
routes, options, tracers' headers, stamps and overridden task classes are right: Celery, and whoever
patched it, wrote the message. The next messages of the same task with the same options are copies, with
their own ids and arguments. If a copy could differ from what ``apply_async`` would make, each message is
recorded by itself: see `deferred_signals.publishing.copyable`.

A recording is used for later flushes, too, if nothing in it belongs to the flush that it was made in.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from kombu import Producer

from deferred_signals import conf
from deferred_signals.publishing.celery_settings import answers
from deferred_signals.publishing.celery_tasks import task_of
from deferred_signals.publishing.copyable import (
    is_plain,
    is_timeless,
    is_unpatched,
    may_copy,
    may_copy_task,
)
from deferred_signals.publishing.parcels import Parcel
from deferred_signals.publishing.patterns import Copy, Pattern, Publication
from deferred_signals.publishing.results import prepared, queues_of_results
from deferred_signals.publishing.waits import first_piece
from deferred_signals.receivers import registry
from deferred_signals.support.cached import cached_property
from deferred_signals.support.forks import unforked
from deferred_signals.support.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery
    from kombu import Connection

    from deferred_signals.publishing.celery_settings import Answers
    from deferred_signals.publishing.parcels import Postable
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["Recorder", "prepare", "recorded"]


class Recorder:
    """Record the parcels of one flush, on the flush's own thread.

    Arguments:
        app: the Celery app that publishes the parcels, which is the current one.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._copying = may_copy(app)
        self._is_unpatched = self._copying and is_unpatched()
        self._reply_to = app.thread_oid
        self._patterns: dict[str, Pattern | None] = {}

    def record(self, parcel: Postable) -> Sequence[Publication | Copy]:
        """Return what publishing a parcel takes: more than one call if Celery sends an event with it.

        Raises:
            Exception: whatever a route, a subclass of Celery's task, or a patch of Celery raises.
        """
        if parcel.headers:
            recorded = self._recorded(task_of(parcel.name), parcel)
            return [publication.with_headers(parcel.headers) for publication in recorded]
        name = parcel.name
        if self._copying and name not in self._patterns:
            self._patterns[name] = self._kept_pattern(name)
        pattern = self._patterns.get(name)
        if pattern is not None and pattern.options == parcel.options:
            return (
                Copy(pattern, parcel.task_id, parcel.payloads, parcel.argsrepr, self._reply_to),
            )
        task = task_of(name)
        kept = self._recorded(task, parcel)
        if self._copying and len(kept) == 1 and may_copy_task(task, kept[0]):
            return (self._first(parcel, kept[0]),)
        return kept

    def _recorded(self, task: Any, parcel: Postable) -> list[Publication]:
        queues = None if task.ignore_result else self._queues_of_results
        if queues is None:
            return recorded(
                self._app, partial(_apply, task, parcel), connect=not task.ignore_result
            )
        publish = partial(_apply, task, parcel, ignore_result=True)
        return [prepared(each, queues) for each in recorded(self._app, publish, connect=False)]

    @cached_property
    def _queues_of_results(self) -> Sequence[Any] | None:
        # Whoever looks at single messages must see them as Celery makes them.
        return queues_of_results(self._app) if self._copying else None

    def _first(self, parcel: Postable, recorded: Publication) -> Publication:
        """Make a recorded message the first of a pattern."""
        pattern = self._patterns[parcel.name] = Pattern(parcel.options, recorded)
        if self._is_unpatched and is_timeless(recorded):
            _patterns[registry.get(parcel.name)] = os.getpid(), answers(), pattern
        return recorded._replace(pattern=pattern)

    def _kept_pattern(self, name: str) -> Pattern | None:
        process, then, pattern = _patterns.get(registry.get(name), (None, None, None))
        if process != os.getpid() or then is not answers():
            return None
        return pattern if self._is_unpatched else None


def prepare(app: Celery, receiver: Receiver) -> Sequence[Publication | Copy]:
    """Let Celery make what its first ``apply_async`` needs, since that takes longer than a commit.

    If nobody but Celery could notice, record a message that was not sent, so that the first flush
    has only to copy it.

    Arguments:
        app: the Celery app, which is the current one.
        receiver: the one that will probably be published to first.

    Returns:
        Publications that are not to be published. What they need may be declared.

    Raises:
        Exception: what Celery raises for wrong settings; the commit meets it as well, and reports it.
    """
    with unforked():
        task = task_of(receiver.name)
        getattr(app.amqp, "send_task_message")  # noqa: B009 - it is made when it is asked for
        may_record = may_copy(app) and is_unpatched() and is_plain(task)
        if not may_record or receiver.options.publish_callables:
            return ()
        queue = conf.current().QUEUE
        options = {} if queue is None else {"queue": queue}
        options |= receiver.options.publish_values
        return Recorder(app).record(Parcel(receiver.name, new_id(), (), options))


def recorded(
    app: Celery, publish: Callable[[Producer], object], *, connect: bool
) -> list[Publication]:
    """Return what a function would publish with the producer that it is given.

    Arguments:
        app: the Celery app whose connection the producer seems to have.
        publish: Celery's ``apply_async``, or the like.
        connect: give the producer a connection that works, as Celery may declare the queue of a result.
    """
    with app.connection_or_acquire() if connect else nullcontext(_connection_of(app)) as connection:
        producer = _Keeping(connection)
        publish(producer)
        return producer.kept


def _apply(task: Any, parcel: Postable, producer: Producer, **more: Any) -> None:
    task.apply_async(
        parcel.payloads,
        task_id=parcel.task_id,
        producer=producer,
        argsrepr=parcel.argsrepr,
        kwargsrepr="{}",
        **(_with_a_piece(parcel.options) if "countdown" in parcel.options else parcel.options),
        **more,
    )


def _with_a_piece(options: dict[str, Any]) -> dict[str, Any]:
    """Return a parcel's options, with the first piece of a countdown that is too long for a worker."""
    countdown, mark = first_piece(options["countdown"])
    if not mark:
        return options
    return {**options, "countdown": countdown, "headers": {**options.get("headers", {}), **mark}}


class _Keeping(Producer):
    """A producer that keeps what it is told to publish, and never connects by itself."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, auto_declare=False)
        self.kept: list[Publication] = []

    def publish(self, body: Any, **arguments: Any) -> None:  # type: ignore[override]
        # Options of a receiver may be a part of the headers, and listeners write into headers.
        headers = {
            name: deepcopy(value) if isinstance(value, (dict, list)) else value
            for name, value in (arguments.get("headers") or {}).items()
        }
        self.kept.append(Publication(body, {**arguments, "headers": headers}))


#: Patterns that serve later flushes, too, with the process, which each message names, and the settings
#: of Celery that they were recorded under. The key is the receiver, not its name: a module that is
#: loaded again has another receiver under the same name, perhaps with other options.
_patterns: WeakKeyDictionary[Receiver, tuple[int, Answers, Pattern]] = WeakKeyDictionary()

os.register_at_fork(after_in_child=_patterns.clear)


#: A connection for each app, never made: Celery asks it which errors are the broker's.
_connections: WeakKeyDictionary[Celery, Connection] = WeakKeyDictionary()


def _connection_of(app: Celery) -> Connection:
    if app not in _connections:
        _connections[app] = app.connection_for_write()
    return _connections[app]
