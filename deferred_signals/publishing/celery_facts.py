"""What checks and testing modes ask about the project's Celery app: its settings, its rivals, its brokers."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.app import app_or_default
from celery.exceptions import QueueNotFound

from deferred_signals.publishing.celery_settings import transports
from deferred_signals.publishing.waits import longest_wait
from deferred_signals.support.amounts import as_seconds
from deferred_signals.support.frozen import Frozen
from deferred_signals.support.modules import globals_of, loaded_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CeleryFacts", "celery_facts", "eviction_policy", "missing_queue", "module_of_app"]

#: The schemes of URLs for which kombu talks to Redis.
REDIS = frozenset({"redis", "rediss", "sentinel"})

#: Seconds that asking the broker for its memory policy may take, and those of each of its answers.
_PATIENCE = 3.0
_SOCKET_TIMEOUT = 2.0


class CeleryFacts(Frozen):
    """Facts about the current app.

    Attributes:
        app: the app's name.
        configured: the project made the app; it is not the one that Celery makes where there is none.
        rival: the path of an app that names a broker, if the current app, or the one that other
            threads see, names none.
        transports: the schemes of the brokers' URLs; more than one if some are fallbacks.
        accepts_pickle: whether workers would unpickle messages.
        visibility_timeout: seconds, of ``broker_transport_options``; None if it is not set.
        time_limit: seconds after which a task of the project ends; None: never.
        transport_options: names of the ``broker_transport_options`` that are set.
        queues: the queues of ``task_queues``, each with its arguments; empty if it is not set.
        default_queue: the queue of tasks that name none.
        creates_queues: whether Celery makes a queue that is not among them.
        longest_wait: seconds that one message waits on a worker at most; None if that cannot be told,
            infinity if messages wait on the broker.
    """

    app: str
    configured: bool
    rival: str | None
    transports: tuple[str, ...]
    accepts_pickle: bool
    visibility_timeout: float | None
    time_limit: float | None
    transport_options: frozenset[str]
    queues: Mapping[str, Mapping[str, Any]]
    default_queue: str
    creates_queues: bool
    longest_wait: float | None


def celery_facts() -> CeleryFacts:
    """Return the facts about the current app."""
    app = app_or_default()
    settings: Any = app.conf
    accepted = {str(item) for item in settings.accept_content}
    options = settings.broker_transport_options or {}
    return CeleryFacts(
        app=str(app.main),
        configured=_is_made(app),
        rival=_rival_of(app),
        # What follows a plus is how to reach the broker: "redis+socket".
        transports=tuple(
            dict.fromkeys(name.partition("+")[0].lower() for name in transports(settings))
        ),
        accepts_pickle=bool(accepted & {"pickle", "application/x-python-serialize"}),
        visibility_timeout=as_seconds(options.get("visibility_timeout")),
        time_limit=as_seconds(settings.task_time_limit or settings.task_soft_time_limit),
        transport_options=frozenset(name for name, value in options.items() if value is not None),
        queues=_declared(settings.task_queues or ()),
        default_queue=str(settings.task_default_queue),
        creates_queues=bool(settings.task_create_missing_queues),
        longest_wait=_longest_wait(),
    )


def missing_queue(task: str, queue: str | None) -> str | None:
    """Return why a task's messages cannot be routed; None if they can be.

    Ask the routes of the settings. Use this only if Celery creates no missing queues: otherwise asking
    for a queue creates it.
    """
    app: Any = app_or_default()
    try:
        app.amqp.router.route({} if queue is None else {"queue": queue}, task)
    except QueueNotFound as error:
        return str(error.args[0])
    except Exception:  # noqa: BLE001 - a route may be a function of the project's
        return None
    return None


def module_of_app() -> str | None:
    """Return the module whose import makes the current app; None if the app is no module's global.

    Tests may have imported the app, too. The module called ``celery`` is the one that makes the app, as
    in Celery's guide for Django; else it is the module that was loaded first.
    """
    app = app_or_default()
    found = [
        name
        for name, module in loaded_modules()
        if name != "__main__" and name.partition(".")[0] != "celery"
        if any(value is app for _name, value in globals_of(module))
    ]
    return min(found, key=lambda name: name.rpartition(".")[2] != "celery", default=None)


def eviction_policy() -> str | None:
    """Return the policy by which the broker, a Redis, drops keys when its memory is full.

    Return None if it drops none, has no limit, does not say, or cannot be reached soon. Nothing that a
    broker does makes this function raise, or wait long.
    """
    app: Any = app_or_default()  # asked here, as each thread has its own current app
    found: list[str | None] = []
    # Another thread asks, because nothing bounds the time that resolving a name takes.
    thread = Thread(target=lambda: found.append(_asked_policy(app)), daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return found[0] if found else None


def _asked_policy(app: Any) -> str | None:
    try:
        with app.connection_for_write() as connection:
            connection.transport_options = {
                **connection.transport_options,
                "socket_timeout": _SOCKET_TIMEOUT,
                "socket_connect_timeout": _SOCKET_TIMEOUT,
            }
            connection.connect()
            memory = connection.channel().client.info("memory")
    except Exception:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
        return None
    policy = memory.get("maxmemory_policy")
    return str(policy) if memory.get("maxmemory") and policy not in {None, "noeviction"} else None


def _is_made(app: Any) -> bool:
    """Return whether the project made an app, and not Celery because there was none."""
    return bool(app.main != "default")


def _rival_of(app: Any) -> str | None:
    """Return the path of another app that names a broker, if one of those that publish names none.

    Each thread has its own current app. Threads that made none see Celery's default: the project's
    first app, unless something asked for the current app before that one was made.
    """
    elsewhere: list[Any] = []
    thread = Thread(target=lambda: elsewhere.append(app_or_default()))
    thread.start()
    thread.join()
    bare = [seen for seen in elsewhere if not _is_made(seen)]
    if all(_names_broker(seen) for seen in (app, *bare)):
        return None
    return next((path for path, other in _apps() if _names_broker(other)), None)


def _names_broker(app: Any) -> bool:
    return bool(app.conf.broker_write_url)


def _apps() -> Iterator[tuple[str, Any]]:
    """Give the apps that are globals of modules, with their paths; first from the module that made one."""
    found = [
        (f"{name}.{attribute}", value)
        for name, module in loaded_modules()
        if name.partition(".")[0] != "celery"
        for attribute, value in globals_of(module)
        if issubclass(type(value), Celery)
    ]
    return iter(sorted(found, key=lambda item: ".celery." not in item[0]))


def _declared(queues: Any) -> dict[str, Mapping[str, Any]]:
    """Return the queues of ``task_queues``, which has several forms, with their arguments."""
    if isinstance(queues, Mapping):
        return {str(name): _arguments(queue) for name, queue in queues.items()}
    return {str(queue.name): _arguments(queue) for queue in queues}


def _arguments(queue: Any) -> Mapping[str, Any]:
    if isinstance(queue, Mapping):
        queue = queue.get("queue_arguments")
    else:
        queue = getattr(queue, "queue_arguments", None)
    return queue if isinstance(queue, Mapping) else {}


def _longest_wait() -> float | None:
    try:
        return longest_wait()
    except Exception:  # noqa: BLE001 - the broker's driver may be missing here, and a setting wrong
        return None
