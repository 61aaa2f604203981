"""Publishing for a worker: as a commit publishes, with an error where the broker has not got it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery.app import app_or_default

from deferred_signals.sending.connection import line_of
from deferred_signals.sending.recorder import recorded

if TYPE_CHECKING:
    from deferred_signals.running.posting import Publish

__all__ = ["post"]


def post(publish: Publish, *, connect: bool) -> None:
    """Hand what a function publishes to the broker; waits for it at most ``PUBLISH_TIMEOUT``.

    Arguments:
        publish: is given a kombu ``Producer``.
        connect: of a connection that works.

    Raises:
        Exception: the broker is not known to have it, or Celery cannot write it.
    """
    app = app_or_default()
    for outcome in line_of(app).publish(recorded(app, publish, connect=connect)):
        if outcome is not None:
            raise outcome
