"""Checks of Celery as the project configured it: the app, the broker and its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name

from deferred_signals.checks.common import message, receivers, register
from deferred_signals.publishing.celery_facts import (
    REDIS,
    CeleryFacts,
    celery_facts,
    eviction_policy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

#: Transport options that give timeouts to the sockets of the project's own Celery connections.
_REDIS_TIMEOUTS = frozenset({"socket_timeout", "socket_connect_timeout"})
_AMQP_TIMEOUTS = frozenset({"read_timeout", "write_timeout"})
SOCKET_TIMEOUTS = {
    **dict.fromkeys(REDIS, _REDIS_TIMEOUTS),
    **dict.fromkeys(("amqp", "amqps", "pyamqp"), _AMQP_TIMEOUTS),
}


@register()
def check_celery() -> list[CheckMessage]:
    """Run E005, W001, W002 and W008: Celery, as configured, may lose or hold up messages."""
    if not receivers():
        return []
    try:
        facts = celery_facts()
    except Exception as error:  # noqa: BLE001 - reading wrong settings may raise anything
        text = f"Celery's settings cannot be read: {type(error).__name__}: {error}"
        hint = "Correct them: workers and deferred receivers cannot work without."
        return [message(Error, "E005", text, hint)]
    found = [*_check_app(facts)]
    return found or [*_check_pickle(facts), *_check_timeouts(facts)]


@register(deploy=True)
def check_eviction() -> list[CheckMessage]:
    """Run W012: the broker is a Redis that evicts keys, and so queues, when its memory is full."""
    if not receivers():
        return []
    try:
        transports = celery_facts().transports
    except Exception:  # noqa: BLE001 - `check_celery` reports it
        return []
    policy = eviction_policy() if REDIS.intersection(transports) else None
    if policy is None:
        return []
    text = (
        f"The broker is a Redis with the maxmemory-policy {policy!r}: when its memory is full it "
        f"evicts keys, and a key may be a whole queue."
    )
    hint = "Set maxmemory-policy to noeviction. Give the cache a Redis of its own."
    return [message(Warning, "W012", text, hint)]


def _check_app(facts: CeleryFacts) -> Iterator[CheckMessage]:
    if facts.rival is not None:
        yield message(
            Warning,
            "W001",
            f"{facts.rival} says where the broker is, but the Celery app that some threads see as "
            f"the current one does not ({facts.app!r} is current here). Deferred receivers use the "
            f"current app, so their messages would go to Celery's default broker, a RabbitMQ on this "
            f"machine.",
            f"Import {facts.rival} in the project's __init__.py, before anything else asks Celery "
            f"for its current app. Make other apps with set_as_current=False.",
        )
    elif not facts.configured:
        yield message(
            Warning,
            "W001",
            "There are deferred receivers, but no Celery app: their messages would go to Celery's "
            "default broker, a RabbitMQ on this machine.",
            "Make an app in your project's celery.py, and import it in the project's __init__.py, "
            "as Celery's 'First steps with Django' shows.",
        )


def _check_pickle(facts: CeleryFacts) -> Iterator[CheckMessage]:
    if facts.accepts_pickle:
        yield message(
            Warning,
            "W002",
            "Celery accepts pickle: whoever can write to the broker can run code on a worker.",
            "Remove 'pickle' from accept_content. Deferred receivers need 'json' only.",
        )


def _check_timeouts(facts: CeleryFacts) -> Iterator[CheckMessage]:
    """Check the connections of ``task.delay()`` and of workers. Our own always has timeouts."""
    wanted = {name for kind in facts.transports for name in SOCKET_TIMEOUTS.get(kind, ())}
    missing = wanted - facts.transport_options
    if missing:
        options = ", ".join(f"{name!r}: 30" for name in sorted(missing))
        yield message(
            Warning,
            "W008",
            "task.delay() and workers would wait for ever for a broker that accepts connections and "
            "never answers: their sockets have no timeouts. (Messages of deferred receivers are "
            "published over a connection that has them.)",
            f"Add {options} (seconds) to CELERY_BROKER_TRANSPORT_OPTIONS.",
        )
