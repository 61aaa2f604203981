"""Workers that stay from test to test, one on each broker: to start one takes seconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from celery import Celery

if TYPE_CHECKING:
    from .nodes import LocalWorker


#: The name of each of them; only one is on a broker.
NODE = "celery@resident"


@dataclass(frozen=True)
class KeptWorker:
    """A worker, and the options and environment that it was made of."""

    worker: "LocalWorker"
    made_of: str


_kept: dict[str, KeptWorker] = {}


def made_of(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return a text that is equal for two workers that may stand for one another."""
    return json.dumps([command, dict(env)], sort_keys=True)


def kept_worker(broker_url: str, like: str | None = None) -> "LocalWorker | None":
    """Return the living worker that stays on a broker, if it was made of `like`."""
    found = _kept.get(broker_url)
    if found is None or not found.worker.process.alive or like not in (None, found.made_of):
        return None
    return found.worker


def keep(broker_url: str, worker: "LocalWorker", like: str) -> None:
    """Let a worker stay on a broker."""
    end_kept_worker(broker_url)
    _kept[broker_url] = KeptWorker(worker, like)


def end_kept_worker(broker_url: str) -> None:
    """End the worker that stays on a broker, if there is one."""
    found = _kept.pop(broker_url, None)
    if found is not None:
        found.worker.process.kill()


def end_kept_workers() -> None:
    """End the workers of all brokers."""
    for broker_url in list(_kept):
        end_kept_worker(broker_url)


def is_at_rest(app: Celery, node: str) -> bool:
    """Tell whether a worker answers, and holds no message."""
    inspect = app.control.inspect([node], timeout=2, limit=1)
    replies = [inspect.active(), inspect.reserved(), inspect.scheduled()]
    return all(reply == {node: []} for reply in replies)
