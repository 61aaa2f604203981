"""Publishing for a worker: as a commit publishes, with an error where the broker has not got it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app import app_or_default

from deferred_signals.sending.connection import line_of
from deferred_signals.sending.recorder import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.running.posting import Publish

__all__ = ["post"]


def post(publish: Publish, *, connect: bool, headers: Mapping[str, Any]) -> None:
    """Hand what a function publishes to the broker; waits for it at most ``PUBLISH_TIMEOUT``.

    Arguments:
        publish: is given a kombu ``Producer``.
        connect: of a connection that works.
        headers: that the task's message has in the end. A tracer, or a package that knows tenants,
            would write its own over them where it is not in the context of the message's run.

    Raises:
        Exception: the broker is not known to have it, or Celery cannot write it.
    """
    app = app_or_default()
    with line_of(app).taken() as line:
        publications = recorded(app, publish, connect=connect)
        for publication in publications:
            if publication.arguments.get("correlation_id"):  # an event of Celery's has none
                publication.arguments["headers"].update(headers)
        outcomes = line.publish(publications)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
