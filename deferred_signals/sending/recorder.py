"""What Celery would publish, recorded instead: by its own ``apply_async``, and then by copies.

``apply_async`` takes a ``producer``, and here it is given one that keeps what it is told to
publish. So routes, options, tracers' headers, stamps and overridden task classes are right, because
Celery, and whoever patched it, wrote the message. The next messages of the same task with the same
options are copies, with ids and arguments of their own. Where a copy might differ from what
``apply_async`` would have made of it, each message is recorded by itself: see `_may_copy`.

A recording serves later flushes, too, where nothing in it belongs to its own: `_is_timeless`.
"""

from __future__ import annotations

import json
import os
import sys
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from celery import Celery, Task, signals
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute
from kombu import Producer, serialization

from deferred_signals import registry
from deferred_signals.running.delivery import argsrepr, task_of
from deferred_signals.running.facts import answers

if TYPE_CHECKING:
    from kombu import Connection

    from deferred_signals.registry import Receiver
    from deferred_signals.running.facts import Answers
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
        app: the Celery app that publishes them, which is the current one.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._copying = _may_copy(app)
        self._patterns: dict[str, _Pattern | None] = {}

    def record(self, parcel: Parcel) -> list[Publication]:
        """What publishing a parcel comes to; more than one where Celery announces it by an event.

        Raises:
            Exception: whatever a route, a subclass or a patch of Celery's raises.
        """
        if self._copying and parcel.name not in self._patterns:
            self._patterns[parcel.name] = _kept_pattern(parcel.name)
        pattern = self._patterns.get(parcel.name)
        if pattern is not None and pattern.options == parcel.options:
            return [pattern.copy(parcel, self._app)]
        task = task_of(parcel.name)
        if task.ignore_result:
            kept = _keep(_connection_of(self._app), task, parcel)
        else:  # the backend may declare the queue of the results
            with self._app.connection_or_acquire() as connection:
                kept = _keep(connection, task, parcel)
        if self._copying and len(kept) == 1 and _may_copy_task(task, kept[0]):
            pattern = self._patterns[parcel.name] = _Pattern(parcel, kept[0])
            if _is_timeless(kept[0]):
                _patterns[registry.get(parcel.name)] = answers(), pattern
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


class _Pattern:
    """A recorded message, to be copied for others of the same task and options."""

    def __init__(self, parcel: Parcel, recorded: Publication) -> None:
        self.options = parcel.options
        self._first = parcel
        self._recorded = recorded

    def copy(self, parcel: Parcel, app: Celery) -> Publication:
        """The message that ``apply_async`` would have made of another parcel."""
        id_, shown = parcel.task_id, argsrepr(parcel.messages)
        tail, common = self._written
        headers = {**common["headers"], "id": id_, "root_id": id_, "argsrepr": shown}
        arguments = {
            **common,
            "headers": headers,
            "correlation_id": id_,
            "reply_to": app.thread_oid,
        }
        if "argsrepr" in arguments:  # Celery lets it slip among the properties, too
            arguments["argsrepr"] = shown
        if tail is None:
            return Publication((parcel.wires, *self._recorded.body[1:]), arguments)
        return Publication(_head(parcel.wires) + tail, arguments)

    @cached_property
    def _written(self) -> tuple[str | None, dict[str, Any]]:
        """What follows the arguments in the body, where that is JSON; and how it is published."""
        body, arguments = self._recorded.body, self._recorded.arguments
        # Its stubs do not know the serializers that give bytes.
        dumped: tuple[str, str, Any] = serialization.dumps(body, arguments["serializer"])
        kind, encoding, text = dumped
        head = _head(self._first.wires)
        if not isinstance(text, str) or not text.startswith(head):
            return None, arguments
        written = {"serializer": None, "content_type": kind, "content_encoding": encoding}
        return text[len(head) :], {**arguments, **written}


def _head(wires: tuple[str, ...]) -> str:
    """How a body begins in JSON: with the arguments."""
    return f"[[{', '.join(map(_quote, wires))}]"


_quote = json.JSONEncoder().encode


#: Patterns that hold for the next flush as well, with what Celery's settings were. By receiver: a
#: module that is loaded again has another one under the same name, perhaps with other options.
_patterns: WeakKeyDictionary[Receiver, tuple[Answers, _Pattern]] = WeakKeyDictionary()

# A message names the process that sent it.
os.register_at_fork(after_in_child=_patterns.clear)


def _kept_pattern(name: str) -> _Pattern | None:
    then, pattern = _patterns.get(registry.get(name), (None, None))
    return pattern if then is answers() and _is_celerys_own() else None


def _is_timeless(recorded: Publication) -> bool:
    """Whether nothing in a message belongs to the moment, or to the request, of its flush."""
    headers = recorded.arguments["headers"]
    return headers["eta"] is None and headers["expires"] is None and _is_celerys_own()


def _is_celerys_own() -> bool:
    """Whether nobody patched what writes messages, as tracers do to add the request's trace.

    A wrapper may pretend to be what it wraps, but for its type; and a function's globals are its
    module's.
    """
    methods: list[tuple[Any, str]] = [
        (vars(Task)["apply_async"], "celery.app.task"),
        (vars(Celery)["send_task"], "celery.app.base"),
    ]
    return all(
        type(method) is FunctionType and method.__globals__ is vars(sys.modules[module])
        for method, module in methods
    )


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
