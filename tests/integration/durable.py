"""Durable messages: send them to real workers, and look at what became of them."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings

from deferred_signals.outbox.models import OutboxMessage
from tests.app.durable_receivers import SIGNALS
from tests.support.connected import deferred
from tests.support.processes import wait_until

from .runs import runs

SETTINGS = {"OUTBOX": {"LEASE": 2, "RELAY_INTERVAL": 0.05}}
#: The shortest lease, for workers that are to wait for its end.
LEASE = {"LEASE": 1, "RELAY_INTERVAL": 0.05}
KINDS = ("plain", "atomic")


def environment(deaths: Path | None = None, **settings: Any) -> dict[str, str]:
    """Make the environment of a worker that knows the durable receivers.

    Arguments:
        deaths: the folder that says when the worker's processes are killed.
        settings: of the library.
    """
    modules = ["tests.app.durable_receivers", *(["tests.app.durable_deaths"] if deaths else [])]
    return {
        "DEFERRED_SIGNALS": json.dumps({**SETTINGS, **settings}),
        "TESTS_APP_MODULES": " ".join(modules),
        "DEATHS": str(deaths or ""),
    }


@pytest.fixture
def short_leases() -> Iterator[None]:
    """Send with a lease that is over soon."""
    with override_settings(DEFERRED_SIGNALS=SETTINGS):
        yield


def long_running_kinds() -> tuple[str, ...]:
    """Return which receivers may run for long: on SQLite, one in a transaction holds up all claims."""
    return KINDS if connection.vendor != "sqlite" else ("plain",)


def many(usual: int, full: int) -> int:
    """Return how often, or how long, something is done: the full number takes minutes."""
    return full if os.environ.get("CHAOS") else usual


def many_of(usual: str) -> list[str]:
    """Return the brokers that a test runs on where one is enough, as the table decides: in full, both."""
    return ["redis", "rabbitmq"] if os.environ.get("CHAOS") else [usual]


def usually_on(broker: str) -> pytest.MarkDecorator:
    """Mark a test for one broker, or for both in the full version."""
    return pytest.mark.parametrize("node", many_of(broker), indirect=True)


def send(kind: str, does: str = "", **kwargs: Any) -> str:
    """Send a message to one of the durable receivers, and return its id."""
    [found] = deferred(SIGNALS[kind].send(None, does=does, **kwargs))
    return found.id


@contextmanager
def unpublished() -> Iterator[None]:
    """Commit what is sent in the block, and publish no wake-up: a hook of other code raises before."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(_fail)
        yield


def _fail() -> None:
    raise ZeroDivisionError


def attempts_of(message_id: str, receiver: str) -> list[int]:
    """Return the attempts whose effects are there."""
    return [run.attempt for run in runs(message_id=message_id, receiver=receiver)]


def effects_of(ids: list[str]) -> Counter[str]:
    """Count the effects of each message."""
    found = Counter(run.message_id for run in runs(message_id__in=ids, receiver__in=SIGNALS))
    return Counter({id_: found[id_] for id_ in ids})


def wait_for_empty_outbox(timeout: float = 60) -> None:
    """Wait until no message is left but dead letters."""
    wait_until(
        lambda: not OutboxMessage.objects.filter(dead_at=None).exists(), timeout, "all is through"
    )


def dead_letters() -> dict[str, int]:
    """Return the ids of the dead letters, with the attempts that were begun."""
    return {str(id_): begun for id_, begun in OutboxMessage.objects.values_list("id", "attempt")}
