"""Write the map as plain values, for JSON."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from deferred_signals.map.declared import exceptions
from deferred_signals.map.entries import Callback
from deferred_signals.map.places import in_short
from deferred_signals.policies import Retry

if TYPE_CHECKING:
    from deferred_signals.map.entries import (
        Deferral,
        MappedReceiver,
        MappedSignal,
        Place,
        ReceiverMap,
        Told,
    )
    from deferred_signals.map.live import Live

__all__ = ["as_plain", "live_as_plain"]


def as_plain(found: ReceiverMap) -> dict[str, Any]:
    """Write a map as a dict that JSON can hold."""
    return {"version": 1, "signals": [_signal(signal) for signal in found.signals]}


def live_as_plain(live: Live) -> dict[str, Any]:
    """Write what workers answered as a dict that JSON can hold."""
    return {
        "seconds": live.seconds,
        "workers": {name: list(queues) for name, queues in live.workers.items()},
        "queues": [
            {
                "queue": queue.name,
                "receivers": list(queue.receivers),
                "workers": list(queue.workers),
            }
            for queue in live.queues
        ],
        "undecided": list(live.undecided),
    }


def _signal(signal: MappedSignal) -> dict[str, Any]:
    return {
        "signal": signal.name,
        "own": signal.is_own,
        "app": signal.app,
        **_place(signal.place),
        "receivers": [_receiver(receiver) for receiver in signal.receivers],
    }


def _receiver(receiver: MappedReceiver) -> dict[str, Any]:
    return {
        "receiver": receiver.name,
        "sender": receiver.sender,
        "runs": receiver.runs,
        "own": receiver.is_own,
        "apps": sorted(receiver.apps),
        "dispatch_uid": receiver.dispatch_uid,
        **_place(receiver.place),
        **({} if receiver.deferral is None else _deferral(receiver.deferral)),
    }


def _deferral(deferral: Deferral) -> dict[str, Any]:
    return {
        "queue": _value(deferral.queue),
        "policy": deferral.policy,
        "retry": _value(deferral.retry),
        "durable": deferral.durable,
        "options": {name: _value(value) for name, value in deferral.options.items()},
        "by_settings": deferral.by_settings,
    }


def _place(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {"file": None, "line": None}
    return {"file": in_short(place._replace(line=None)), "line": place.line}


def _value(value: Told) -> Any:
    if isinstance(value, Callback):
        return {"callable": value.path}
    if isinstance(value, Retry):
        return {
            field.name: _part(field.name, getattr(value, field.name)) for field in fields(Retry)
        }
    return list(value) if isinstance(value, tuple) else value


def _part(name: str, value: Any) -> Any:
    """Write a field of a policy: types by their names, times in seconds."""
    if name in {"on", "give_up_on"}:
        return list(exceptions(value))
    return value.total_seconds() if isinstance(value, timedelta) else value
