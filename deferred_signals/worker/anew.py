"""What a worker publishes anew: a message like the one in its hands, with all that this carried.

Celery's ``Task.signature_from_request`` makes it, as it does for ``Task.retry``. Celery does not
document it, and it is called here alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_app

from deferred_signals.publishing.posting import post
from deferred_signals.publishing.waits import first_piece, in_pieces
from deferred_signals.worker.carried import compression_of, headers_of, ignores_result, queue_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery.app.task import Context

__all__ = ["publish_anew"]


def publish_anew(
    name: str,
    request: Context,
    args: Sequence[object],
    *,
    wait: float = 0.0,
    calls: int = 1,
    in_broker: bool = False,
    **options: Any,
) -> None:
    """Publish the next message of a request, and wait until the broker has it.

    Arguments:
        name: the name of the task that the next message is for.
        request: what Celery tells of the message before.
        args: the task's arguments.
        wait: seconds until it is due; a wait longer than a worker may hold it is served in pieces, or by
            the outbox, into which the worker puts it that is given it.
        in_broker: the outbox cannot be reached.
        calls: how many calls the request's time limits are for; the next message's are for one.
        options: of ``apply_async``, where they differ from what the request carried.

    Raises:
        CannotPublish: the broker is not known to have it.
    """
    task: Any = current_app.tasks[name]
    cut = in_pieces if in_broker else first_piece
    countdown, mark = cut(wait) if wait > 0 else (None, {})
    headers = headers_of(request) | mark
    ignore_result = ignores_result(request, task)
    changes = {
        "headers": headers,
        "compression": compression_of(request),
        "ignore_result": ignore_result,
        "countdown": countdown,
        "kwargsrepr": "{}",
        **options,
    }

    def publish(producer: Any) -> None:
        hard, soft = request.timelimit or (None, None)
        signature = task.signature_from_request(
            request,
            args=tuple(args),
            kwargs={},
            queue=queue_of(request),
            time_limit=hard and hard / calls,
            soft_time_limit=soft and soft / calls,
            **changes,
        )
        signature.apply_async(producer=producer)

    if request.root_id:  # protocol 1 has no root and no parent
        # Celery would name the run that is being carried on as the parent.
        headers = headers | {"root_id": request.root_id, "parent_id": request.parent_id}
    post(publish, connect=not ignore_result, headers=headers)
