"""Names that are no option of a deferred receiver: what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.errors import InvalidReceiver
from deferred_signals.policies import is_field
from deferred_signals.support.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["unknown_option"]

#: Celery's ways to retry, which would count attempts beside ours.
_CELERYS_RETRIES = frozenset(
    {
        "autoretry_for",
        "bind",
        "default_retry_delay",
        "dont_autoretry_for",
        "max_retries",
        "reject_on_worker_lost",
    }
)

_USE_QUEUE = "use queue=, or Celery's task_routes with the receiver's name."

#: What to use instead of other arguments of Celery's.
_INSTEAD = {
    "eta": "use countdown=: seconds, a timedelta or a callable.",
    "exchange": _USE_QUEUE,
    "routing_key": _USE_QUEUE,
}

#: Other words for options, which may be misspelt too.
_SYNONYMS = {"retries": "retry", "senders": "sender", "uid": "dispatch_uid"}


def unknown_option(name: str, known: Iterable[str]) -> InvalidReceiver:
    """The refusal of a name that is no option, with what was probably meant.

    >>> str(unknown_option("max_attempts", ["retry"]))
    'max_attempts= is a field of Retry: give it inside retry=Retry(max_attempts=...).'
    """
    if is_field(name):
        other = " (The time of a run is time_limit=.)" if name == "timeout" else ""
        return InvalidReceiver(
            f"{name}= is a field of Retry: give it inside retry=Retry({name}=...).{other}"
        )
    wrong = f"{name}= is not an option of a deferred receiver"
    if name in _CELERYS_RETRIES or name.startswith("retry_"):
        counted = " (max_retries=n is max_attempts=n+1)" if name == "max_retries" else ""
        return InvalidReceiver(
            f"{wrong}: use retry=Retry(...), which counts attempts in every mode of delivery"
            f"{counted}."
        )
    if name in _INSTEAD:
        return InvalidReceiver(f"{wrong}: {_INSTEAD[name]}")
    return InvalidReceiver(f"{wrong}. {nearest(name, {*known, 'deferred'}, _SYNONYMS)}")
