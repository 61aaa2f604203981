"""Workers that stay from test to test, one on each broker: to start one takes seconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery import Celery

if TYPE_CHECKING:
    from .nodes import LocalWorker


#: What each of them calls itself.
NODE = "celery@resident"


@dataclass(frozen=True)
class Resident:
    """A worker, and what makes it fit for a test that wants the same."""

    worker: "LocalWorker"
    made_of: str


_residents: dict[str, Resident] = {}


def made_of(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return what two workers have in common that may stand for one another."""
    return json.dumps([command, dict(env)], sort_keys=True)


def resident(broker_url: str, like: str | None = None) -> "LocalWorker | None":
    """Return the living worker that stays on a broker, if it is one `like` that."""
    found = _residents.get(broker_url)
    if found is None or not found.worker.process.alive or like not in (None, found.made_of):
        return None
    return found.worker


def let_stay(broker_url: str, worker: "LocalWorker", like: str) -> None:
    """Let a worker stay on a broker."""
    dismiss(broker_url)
    _residents[broker_url] = Resident(worker, like)


def dismiss(broker_url: str) -> None:
    """End the worker that stays on a broker, if there is one."""
    found = _residents.pop(broker_url, None)
    if found is not None:
        found.worker.process.kill()


def dismiss_all() -> None:
    """End them all."""
    for broker_url in list(_residents):
        dismiss(broker_url)


def is_at_rest(app: Celery, node: str) -> bool:
    """Tell whether a worker answers, and has no message in its hands."""
    inspect = app.control.inspect([node], timeout=2, limit=1)
    replies = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    return all(reply == {node: []} for reply in replies)
