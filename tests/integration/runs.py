"""Runs of receivers that a real worker made: each leaves a row in the table of runs."""

import time
from typing import Any

from django.dispatch import Signal

from tests.app.models import Run
from tests.support.connected import deferred
from tests.support.processes import wait_until


def runs(**filters: Any) -> list[Run]:
    """Return the runs that match, the oldest first."""
    return list(Run.objects.filter(**filters).order_by("pk"))


def wait_for_runs(count: int, timeout: float = 15, **filters: Any) -> list[Run]:
    """Wait until at least `count` matching runs are in the database, and return them all."""
    matching = Run.objects.filter(**filters)
    wait_until(lambda: matching.count() >= count, timeout, f"{count} runs with {filters}")
    return runs(**filters)


def assert_no_more_runs(count: int, seconds: float = 1, **filters: Any) -> list[Run]:
    """Assert that there are exactly `count` matching runs, and still are after `seconds`."""
    assert len(runs(**filters)) == count
    time.sleep(seconds)
    last = runs(**filters)
    assert len(last) == count
    return last


def defer(signal: Signal, sender: object = None, **kwargs: Any) -> str:
    """Send a signal that one deferred receiver listens to, and return its message's id."""
    [found] = deferred(signal.send(sender, **kwargs))
    return found.id
