"""What Celery would publish, recorded instead: by its own ``apply_async``, and then by copies.

``apply_async`` takes a ``producer``, and here it is given one that keeps what it is told to
publish. So routes, options, tracers' headers, stamps and overridden task classes are right, because
Celery, and whoever patched it, wrote the message. The next messages of the same task with the same
options are copies, with ids and arguments of their own. Where a copy might differ from what
``apply_async`` would have made of it, each message is recorded by itself: see `_may_copy`.

Nothing is kept from one flush to the next: headers belong to their request.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from celery import Celery, Task, signals
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute
from kombu import Producer

from deferred_signals.running.delivery import argsrepr, task_of

if TYPE_CHECKING:
    from kombu import Connection

    from deferred_signals.sending.chunks import Parcel

__all__ = ["Publication", "Recorder"]


@dataclass(frozen=True, slots=True)
class Publication:
    """A call of kombu's ``Producer.publish`` that is still to be made.

    Attributes:
        body: of the message, not yet serialized.
        arguments: the call's keyword arguments.
    """

    body: Any
    arguments: dict[str, Any]


class Recorder:
    """Records the parcels of one flush.

    Arguments:
        app: the Celery app that publishes them.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._firsts: dict[str, tuple[dict[str, Any], Publication]] = {}
        self._copying = _may_copy(app)

    def record(self, parcel: Parcel) -> list[Publication]:
        """What publishing a parcel comes to; more than one where Celery announces it by an event.

        Raises:
            Exception: whatever a route, a subclass or a patch of Celery's raises.
        """
        first = self._firsts.get(parcel.name)
        if first is not None and first[0] == parcel.options:
            return [_copy(first[1], parcel)]
        task = task_of(parcel.name)
        if task.ignore_result:
            kept = _keep(_connection_of(self._app), task, parcel)
        else:  # the backend may declare the queue of the results
            with self._app.connection_or_acquire() as connection:
                kept = _keep(connection, task, parcel)
        if self._copying and len(kept) == 1 and _may_copy_task(task, kept[0]):
            self._firsts[parcel.name] = parcel.options, kept[0]
        return kept


def _keep(connection: Connection, task: Any, parcel: Parcel) -> list[Publication]:
    producer = _Keeping(connection)
    task.apply_async(
        parcel.wires,
        task_id=parcel.task_id,
        producer=producer,
        argsrepr=argsrepr(parcel.messages),
        kwargsrepr="{}",
        **parcel.options,
    )
    return producer.kept


class _Keeping(Producer):
    """A producer that publishes nothing, and never connects by itself."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, auto_declare=False)
        self.kept: list[Publication] = []

    def publish(self, body: Any, **arguments: Any) -> None:  # type: ignore[override]
        # The options of a receiver may be a part of the headers, and listeners write into them.
        headers = {
            name: deepcopy(value) if isinstance(value, (dict, list)) else value
            for name, value in (arguments.get("headers") or {}).items()
        }
        self.kept.append(Publication(body, {**arguments, "headers": headers}))


def _copy(first: Publication, parcel: Parcel) -> Publication:
    """The message that ``apply_async`` would have made, from one that it did make."""
    id_ = parcel.task_id
    _args, kwargs, embedded = first.body
    headers = {
        **first.arguments["headers"],
        "id": id_,
        "root_id": id_,
        "argsrepr": argsrepr(parcel.messages),
    }
    arguments = {**first.arguments, "headers": headers, "correlation_id": id_}
    if "argsrepr" in arguments:  # Celery lets it slip among the properties, too
        arguments["argsrepr"] = headers["argsrepr"]
    return Publication((parcel.wires, kwargs, embedded), arguments)


def _may_copy(app: Celery) -> bool:
    """Whether nobody but Celery has a say in a single message of this app.

    Listeners of its publish signals write into each message; a callable route or an overridden
    method may look at it; a running task is told of each of its children.
    """
    router: Any = app.amqp.router  # its stubs do not know its routes
    return (
        not any(
            signal.receivers
            for signal in (
                signals.before_task_publish,
                signals.after_task_publish,
                signals.task_sent,
            )
        )
        and app.current_worker_task is None
        and type(app.amqp) is AMQP
        and all(isinstance(route, MapRoute) for route in router.routes)
        and _is_of(Celery, app, "send_task")
    )


def _may_copy_task(task: Task[Any, Any], recorded: Publication) -> bool:
    """Whether the same is true of a task, whose messages are of a form that is known here.

    Patches of Celery's own classes are let pass: tracers patch ``Task.apply_async`` to add the
    headers of the request, which are the same for all messages of a flush.
    """
    return (
        task.ignore_result  # else its backend wants to know of each id
        and isinstance(recorded.body, tuple)  # protocol 2
        and recorded.arguments["headers"]["root_id"] == recorded.arguments["correlation_id"]
        and _is_of(Task, task, "apply_async")
        and _is_of(Task, task, "shadow_name")
    )


def _is_of(base: type, instance: object, name: str) -> bool:
    """Whether a method is the base's, patched or not: neither a subclass nor the instance has one.

    To compare the methods would not do, since some patches make a new object at each look.
    """
    owner = next(cls for cls in type(instance).__mro__ if name in vars(cls))
    return owner is base and name not in vars(instance)


#: One for each app, never connected: Celery asks it which errors are the broker's.
_connections: WeakKeyDictionary[Celery, Connection] = WeakKeyDictionary()


def _connection_of(app: Celery) -> Connection:
    if app not in _connections:
        _connections[app] = app.connection_for_write()
    return _connections[app]
