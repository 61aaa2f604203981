"""`Way`: durable sends and their runs in each testing mode, in eager mode, and by the table.

What a worker's code makes of a row is what the modes have to make of a message without one.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal

from deferred_signals.testing import inline, live, manual, run_outbox, settings
from tests.app.models import Label
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

from .rows import POLICY

#: Connects a receiver, with options, as a decorator.
Connect = Callable[..., Callable[[Any], Any]]

MODES = ["inline", "eager", "manual", "table"]
COMMITS = [(mode, False) for mode in MODES]
WAYS = [*COMMITS, *((mode, True) for mode in MODES[:3])]


@dataclass
class Way:
    """Send to durable receivers, and run them, in one of the modes.

    Attributes:
        mode: which.
        lifecycle: what became of the runs.
    """

    mode: str
    lifecycle: Lifecycle

    def run(self, work: Callable[[], object]) -> list[str]:
        """Call what sends, and run what it sent; return what became of the messages."""
        if self.mode == "manual":
            with manual() as deferred:
                work()
                deferred.run_deferred(raises=False)
        elif self.mode == "table":
            with live():
                work()
                run_outbox(raises=False)
        else:
            with self._surroundings(), suppress(Exception):
                work()
        ends = {"receiver_succeeded", "receiver_discarded", "receiver_failed"}
        return [name.removeprefix("receiver_") for name in self.lifecycle.names if name in ends]

    def _surroundings(self) -> AbstractContextManager[object]:
        return inline() if self.mode == "inline" else settings(EAGER=True)


def named(way: tuple[str, bool]) -> str:
    mode, in_testcase = way
    return f"{mode} in a TestCase" if in_testcase else mode


@pytest.fixture(params=WAYS, ids=named)
def way(request: pytest.FixtureRequest, lifecycle: Lifecycle, broker: Broker) -> Iterator[Way]:
    """Give each mode, with real commits and in a `TestCase`; a table has real commits alone."""
    mode, in_testcase = request.param
    if in_testcase:
        request.getfixturevalue("db")
    assert connection.in_atomic_block is in_testcase
    yield Way(mode, lifecycle)
    for alias in () if in_testcase else ("default", "other"):
        Label.objects.using(alias).all().delete()


NO_TABLE = [way for way in WAYS if way[0] != "table"]
without_a_row = pytest.mark.parametrize("way", NO_TABLE, indirect=True, ids=named)
only_commits = pytest.mark.parametrize("way", COMMITS, indirect=True, ids=named)


@pytest.fixture
def connect(signal: Signal, defer: Connected) -> Connect:
    """Connect a durable, atomic receiver to the test's signal."""

    def with_options(**options: Any) -> Callable[[Any], Any]:
        return defer(signal, **{"durable": True, "atomic": True, "retry": POLICY, **options})

    return with_options
