"""uWSGI, which forks in C: its workers are recycled while the broker is away, and requests go on."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import Process, free_port, wait_until
from tests.support.services import require_script

from .counted import BOUND, MODULE, PATIENCE, ROOT, Counted, end, requested
from .nodes import Broker
from .proxy import Proxy


@contextmanager
def serving(counted: Counted, port: int, *options: str) -> Iterator[Process]:
    """Serve by two workers of four threads."""
    command = (
        *(require_script("uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--module", MODULE),
        *("--master", "--processes", "2", "--threads", "4", "--chdir", str(ROOT)),
        *("--need-app", "--die-on-term"),
    )
    with counted.running(*command, *options, ready="WSGI app 0") as server:
        yield server


@pytest.mark.parametrize("options", [(), ("--lazy-apps",)], ids=["forked", "lazy"])
def test_workers_of_uwsgi_that_are_recycled_lose_nothing(
    node: Broker, tmp_path: Path, options: Sequence[str]
) -> None:
    port, recycled = free_port(), ("--max-requests", "10", "--min-worker-lifetime", "0")
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url, SENDS_AT_LOAD="yes")
        with serving(counted, port, *recycled, *options) as server:
            with requested(port) as failures:
                counted.wait_for(10)
                counted.assert_none_reported()
                proxy.go_away()
                time.sleep(1.5)
                proxy.come_back()
                wait_until(lambda: server.logs().count("Respawned") >= 2, PATIENCE, "new workers")
            counted.wait_for_fates()
    found = counted.counts()
    assert failures == []
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported <= 2 * 4  # what was on its way, by each thread of each worker
    assert found.senders >= 3
    assert found.slowest < BOUND


def test_workers_of_uwsgi_that_are_stopped_while_the_broker_is_away_publish_what_they_kept(
    node: Broker, tmp_path: Path
) -> None:
    port = free_port()
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url, SENDS_AT_LOAD="yes")
        # Many projects use this option. With it, uWSGI calls its own hook and none of Python's.
        with serving(counted, port, "--skip-atexit-teardown") as server:
            with requested(port):
                counted.wait_for(6)
                counted.assert_none_reported()
                proxy.go_away()
                counted.wait_for(12)
            threading.Timer(1, proxy.come_back).start()
            end(server)
    found = counted.counts()
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported <= 2 * 4


def test_message_that_uwsgis_master_cannot_publish_is_reported_and_its_workers_send_their_own(
    node: Broker, tmp_path: Path
) -> None:
    port = free_port()
    with Proxy(node.host_url) as proxy:
        proxy.go_away()
        counted = Counted(
            node, tmp_path, proxy.url, SENDS_AT_LOAD="yes", SETTINGS='{"BREAKER_COOLDOWN": 1}'
        )
        with serving(counted, port):
            with requested(port) as failures:
                counted.wait_for(8)
            proxy.come_back()
            counted.wait_for_fates()
    found = counted.counts()
    assert failures == []
    assert (found.arrived, found.reported, found.doubled) == (found.sent - 1, 1, 0)
    assert found.contradicted == 0
    assert found.senders >= 2  # one of the workers may take all requests
