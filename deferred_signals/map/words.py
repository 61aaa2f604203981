"""Say in words how a receiver is deferred, for all forms in which the map is shown."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from deferred_signals.map.declared import exceptions
from deferred_signals.map.entries import Callback
from deferred_signals.policies import Retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.map.entries import Deferral, MappedReceiver, Told

__all__ = ["ALL", "declared", "others", "queue", "retry", "sender"]

#: What stands for all senders.
ALL = "any sender"

#: Options that have a place of their own in the map, where they are what is in force.
_OWN_PLACE = frozenset({"queue", "retry", "durable"})


def sender(receiver: MappedReceiver) -> str:
    """Name the sender of a connection."""
    return receiver.sender or ALL


def queue(deferral: Deferral) -> str:
    """Name the queue of a receiver's messages, or who chooses it."""
    if isinstance(deferral.queue, Callback):
        return f"by {deferral.queue.path}"
    return deferral.queue or "by Celery's routes"


def retry(deferral: Deferral) -> str:
    """Tell how often a receiver may be run for one message."""
    policy, named = deferral.retry, f"{deferral.policy}: " if deferral.policy else ""
    if policy is None:
        return f"{named}no such policy"
    if policy.max_attempts is None:
        return f"{named}attempts for {policy.timeout:g} s"
    return f"{named}{policy.max_attempts} attempt{'' if policy.max_attempts == 1 else 's'}"


def others(deferral: Deferral) -> list[str]:
    """List the options that were given and have no place of their own, and whether settings gave them."""
    found = declared(
        {name: value for name, value in deferral.options.items() if name not in _OWN_PLACE}
    )
    return [*found, "by DEFER"] if deferral.by_settings else found


def declared(options: Mapping[str, Told]) -> list[str]:
    """List options as they were given.

    >>> declared({"coalesce": True, "queue": "mail", "carry": ("_old", "_by"), "retry": Retry(on=OSError)})
    ['coalesce', 'queue=mail', 'carry=_old,_by', 'retry=Retry(on=OSError)']
    """
    return [name if value is True else f"{name}={_text(value)}" for name, value in options.items()]


def _text(value: Told) -> str:
    if isinstance(value, Callback):
        return f"{value.path}()"
    if isinstance(value, Retry):
        return _policy(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _policy(policy: Retry) -> str:
    """Write a policy as it would be declared."""
    words = []
    for field in fields(Retry):
        value = getattr(policy, field.name)
        if value != getattr(Retry(), field.name):
            shown = ",".join(exceptions(value)) if field.name in {"on", "give_up_on"} else value
            words.append(f"{field.name}={shown}")
    return f"Retry({', '.join(words)})"
