"""What the system checks ask about the project's Celery app: its settings, its rivals, its brokers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.app import app_or_default
from celery.exceptions import QueueNotFound

from deferred_signals.publishing.waits import longest_wait
from deferred_signals.support.amounts import as_seconds
from deferred_signals.support.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CeleryFacts", "celery_facts", "eviction_policy", "missing_queue"]

#: What kombu calls the transports of Redis, by the schemes of their URLs.
REDIS = frozenset({"redis", "rediss", "sentinel"})

#: Seconds that the broker may be asked for its memory policy, and within them each answer.
_PATIENCE = 3.0
_SOCKET_TIMEOUT = 2.0


class CeleryFacts(Frozen):
    """Facts about the current app.

    Attributes:
        app: its name.
        configured: the project made it, rather than leaving Celery to its bare default.
        rival: where an app is that names a broker, while the current app, or the one that other
            threads see, names none.
        transports: the brokers', as the URLs name them; more than one where some are fallbacks.
        accepts_pickle: whether workers would unpickle messages.
        visibility_timeout: seconds, of ``broker_transport_options``; None where it is not set.
        time_limit: seconds after which a task of the project ends; None: never.
        transport_options: names of the ``broker_transport_options`` that are set.
        queues: the queues of ``task_queues``, each with its arguments; empty where it is not set.
        default_queue: where tasks go that name no queue.
        creates_queues: whether Celery makes a queue that is not among them.
        longest_wait: seconds that one message waits on a worker at most; None where that cannot be
            told, infinity where it waits on the broker.
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
    """Return the facts, of the current app."""
    app = app_or_default()
    settings: Any = app.conf
    accepted = {str(item) for item in settings.accept_content}
    options = settings.broker_transport_options or {}
    return CeleryFacts(
        app=str(app.main),
        configured=_is_made(app),
        rival=_rival_of(app),
        transports=_transports(settings),
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
    """Return why a task's messages cannot be routed; None where they can be.

    Asks the routes of the settings. To be used only where Celery creates no missing queues: else
    asking creates them.
    """
    app: Any = app_or_default()
    try:
        app.amqp.router.route({} if queue is None else {"queue": queue}, task)
    except QueueNotFound as error:
        return str(error.args[0])
    except Exception:  # noqa: BLE001 - a route may be a function of the project's
        return None
    return None


def eviction_policy() -> str | None:
    """Return the policy by which the broker, a Redis, drops keys when its memory is full.

    None where it drops none, has no limit, does not say, or cannot be reached soon: nothing that
    a broker does makes this raise, or wait long.
    """
    app: Any = app_or_default()  # a matter of the thread
    found: list[str | None] = []
    # A thread of its own: nothing bounds the time that a name takes to resolve.
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
    """Return whether an app is the project's, rather than the one that Celery makes where there is none."""
    return bool(app.main != "default")


def _rival_of(app: Any) -> str | None:
    """Where another app names a broker, if one of those that publish names none.

    The current app is a matter of the thread. Threads that made none see Celery's default: the
    project's first app, unless something asked for the current app before that was made.
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
    """Give the apps that are globals of modules, with their paths; the module that made one first."""
    found = [
        (f"{name}.{attribute}", value)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] != "celery"
        for attribute, value in list(getattr(module, "__dict__", {}).items())
        if issubclass(type(value), Celery)
    ]
    return iter(sorted(found, key=lambda item: ".celery." not in item[0]))


def _transports(settings: Any) -> tuple[str, ...]:
    """The transports of one URL, of a list of them, or of several in one text."""
    urls: Any = settings.broker_write_url or ""
    urls = urls.split(";") if isinstance(urls, str) else urls
    named = settings.broker_transport or "amqp"
    found = [url.partition("://")[0] if "://" in url else named for url in map(str, urls)]
    # What follows a plus is how to reach it: "redis+socket".
    return tuple(dict.fromkeys(transport.partition("+")[0].lower() for transport in found))


def _declared(queues: Any) -> dict[str, Mapping[str, Any]]:
    """The queues of ``task_queues``, in each of its forms, with their arguments."""
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
