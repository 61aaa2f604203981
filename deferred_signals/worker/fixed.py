"""Task attributes that every task of the library's has in common."""

from __future__ import annotations

__all__ = ["FIXED"]

#: The library counts attempts itself, in the worker's parent, and not by requeueing (see
#: `deferred_signals.worker.parent`).
FIXED = {
    "bind": True,
    "Request": "deferred_signals.worker.parent:ReceiverRequest",
    "max_retries": None,
    "reject_on_worker_lost": False,
    "retry_on_worker_lost": False,
    "typing": False,
}
