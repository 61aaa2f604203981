"""Ask the workers that are running which queues they take messages from."""

from __future__ import annotations

from threading import Thread
from typing import Any

from celery.app import app_or_default

from deferred_signals.publishing.breaker import settings
from deferred_signals.publishing.clients import bound, connected, let_go

__all__ = ["queues_of_workers"]


def queues_of_workers(seconds: float) -> dict[str, list[str]]:
    """Return the queues of each worker that answers, by the worker's name.

    A worker that does not answer may still be there: it may be busy or just starting, have its remote
    control switched off, or be on a broker that cannot reach all workers at once. What is returned comes
    from outside, like all that a broker brings.

    Arguments:
        seconds: how long to wait for another answer after each.

    Raises:
        Exception: the broker is away, or refuses.
        TimeoutError: the broker does not answer.
    """
    app: Any = app_or_default()  # asked here, as each thread has its own current app
    answers: dict[str, list[str]] = {}
    ended: list[Exception | None] = []
    # Another thread asks, because nothing bounds the time that resolving a name takes, nor that of a
    # connection out of Celery's pool.
    thread = Thread(target=lambda: ended.append(_asked(app, seconds, answers)), daemon=True)
    thread.start()
    patience = seconds + settings().CONNECT_TIMEOUT
    thread.join(patience)
    if ended and ended[0] is not None:
        raise ended[0]
    if not ended and not answers:
        raise TimeoutError(f"The broker did not answer within {patience:g} s.")
    return dict(answers)


def _asked(app: Any, seconds: float, answers: dict[str, list[str]]) -> Exception | None:
    """Collect the answers; return what went wrong."""
    client = app.connection_for_write()
    patience = settings().CONNECT_TIMEOUT
    try:
        bound(client, patience)
        connected(client, patience)
        app.control.inspect(
            timeout=seconds,
            connection=client,
            callback=lambda reply: answers.update(_queues_in(reply)),
        ).active_queues()
    except Exception as error:  # noqa: BLE001 - whatever a broker, or its driver, comes up with
        return error
    finally:
        let_go(client)
    return None


def _queues_in(reply: Any) -> dict[str, list[str]]:
    """Read one reply of a worker; it is ignored if it is none."""
    try:
        return {
            str(worker): sorted(str(queue["name"]) for queue in queues)
            for worker, queues in reply.items()
        }
    except (AttributeError, KeyError, TypeError):
        return {}
