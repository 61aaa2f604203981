"""Prepare for the result of a message without waiting for a result backend that is away.

Celery tells a backend of each message whose result is kept, before it publishes the message. Redis'
backend then subscribes to the result, and tries for some twenty seconds if Redis is away. That of RabbitMQ
(``rpc://``) declares the queue of the results, over a connection of its own. Neither need happen there:
`AsyncResult.get` subscribes by itself, and the line declares queues, within its deadline.

A backend that does something else is told by Celery itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from deferred_signals.publishing.patterns import Publication

__all__ = ["prepared", "queues_of_results"]


def queues_of_results(app: Celery) -> Sequence[Any] | None:
    """Return the queues that results need; None if only the app's backend can prepare for them.

    Raises:
        Exception: the app's backend cannot be loaded.
    """
    backend: Any = app.backend
    match type(backend).on_task_call.__module__:
        case "celery.backends.base" | "celery.backends.redis":
            return ()
        case "celery.backends.rpc":
            return (backend.binding,)
        case _:
            return None


def prepared(publication: Publication, queues: Sequence[Any]) -> Publication:
    """Let a message that was recorded with ``ignore_result=True`` have a result all the same."""
    arguments = publication.arguments
    if "ignore_result" not in arguments["headers"]:  # an event of Celery's
        return publication
    headers = {**arguments["headers"], "ignore_result": False}
    declare = [*publication.declare, *queues]
    return publication._replace(arguments={**arguments, "headers": headers, "declare": declare})
