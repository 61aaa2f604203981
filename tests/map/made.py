"""Maps that a test makes itself, to be selected from and written."""

from typing import Any

from deferred_signals import Retry
from deferred_signals.map import Deferral, MappedReceiver, MappedSignal, Place, ReceiverMap

__all__ = ["deferred", "made", "signal", "sync"]


def made(*signals: MappedSignal) -> ReceiverMap:
    return ReceiverMap(signals=signals)


def signal(name: str, *receivers: MappedReceiver, **values: Any) -> MappedSignal:
    module = name.rpartition(".")[0]
    usual: dict[str, Any] = {
        "place": Place(f"/srv/{module.replace('.', '/')}.py", 7),
        "is_own": not name.startswith("django."),
        "app": name.partition(".")[0],
    }
    return MappedSignal(name=name, receivers=receivers, **(usual | values))


def sync(name: str, sender: str | None = None, **values: Any) -> MappedReceiver:
    usual: dict[str, Any] = {
        "runs": "sync",
        "place": Place(f"/srv/{name.replace('.', '/')}.py", 21),
        "is_own": not name.startswith("django."),
        "apps": frozenset({name.partition(".")[0]}),
    }
    return MappedReceiver(name=name, sender=sender, **(usual | values))


def deferred(name: str, sender: str | None = None, **values: Any) -> MappedReceiver:
    usual: dict[str, Any] = {
        "queue": "celery",
        "policy": None,
        "retry": Retry(),
        "durable": False,
        "options": {},
    }
    own = {key: values.pop(key, value) for key, value in usual.items()}
    return sync(name, sender, **{"runs": "deferred", "deferral": Deferral(**own), **values})
