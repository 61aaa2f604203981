"""Publishing inside servers of all kinds: prefork, gevent, ASGI."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.dispatch import Signal

from tests.support.connected import Connected, deferred

from .nodes import Broker
from .own_app import QUEUE, on_broker, publishing_to
from .proxy import Proxy

PROGRAM = Path(__file__).with_name("server_program.py")


def publish_as(make: str, url: str, queue: str = QUEUE) -> tuple[list[str], float]:
    """Run the program; gives the messages' ids and the longest seconds of a commit."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), make],
        env={**os.environ, "BROKER_URL": url, "QUEUE": queue},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *ids, longest = done.stdout.split()
    return ids, float(longest)


@pytest.mark.parametrize("make", ["prefork", "gevent"])
def test_each_message_arrives_once(make: str, node: Broker) -> None:
    queue = f"own.{uuid4()}"  # what another test left under way may arrive in its queue at any time
    ids, _ = publish_as(make, node.host_url, queue)
    assert len(ids) == {"prefork": 2 + 3 * 60 + 2, "gevent": 60}[make]
    assert sorted(on_broker(node.host_url, queue)) == sorted(ids)


def test_greenlets_wait_for_a_silent_broker_within_bounds(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.silent = True
        ids, longest = publish_as("gevent", proxy.url)
    assert len(ids) == 60
    assert longest < 1.7


@pytest.mark.django_db(transaction=True)
def test_event_loop_goes_on_while_a_commit_waits(node: Broker, defer: Connected) -> None:
    signal = Signal()

    @defer(signal)
    def receive(sender: object, **kwargs: Any) -> None:
        """Never run: no worker reads the queue."""

    async def scenario() -> float:
        longest = 0.0
        sending = asyncio.ensure_future(signal.asend(None))
        while not sending.done():
            began = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began)
        assert len(deferred(await sending)) == 1
        return longest

    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        proxy.silent = True
        assert async_to_sync(scenario)() < 0.5
