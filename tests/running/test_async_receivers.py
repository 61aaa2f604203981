"""Async receivers are awaited; where threads are greenlets they are refused."""

import subprocess
import sys

import pytest

from deferred_signals.running.async_receivers import await_here


def test_coroutine_is_run_to_its_end() -> None:
    ran = []

    async def receive() -> None:
        ran.append(1)

    await_here("tests.awaited", receive())
    assert ran == [1]


def test_error_of_a_coroutine_is_raised() -> None:
    async def receive() -> None:
        raise LookupError("of the receiver")

    with pytest.raises(LookupError, match="of the receiver"):
        await_here("tests.awaited", receive())


def test_coroutine_is_refused_where_gevent_has_made_threads_greenlets() -> None:
    """Ask gevent itself, in a process of its own, since gevent patches a process for good."""
    program = """
from gevent import monkey
monkey.patch_all()
from deferred_signals.errors import InvalidReceiver
from deferred_signals.running.async_receivers import await_here

async def receive() -> None:
    print("awaited")

try:
    await_here("tests.awaited", receive())
except InvalidReceiver as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("'tests.awaited' is async, and gevent or eventlet")
