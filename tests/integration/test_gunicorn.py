"""gunicorn recycles its workers while the broker is away, and requests go on."""

import time
from pathlib import Path

import pytest

from tests.support.processes import free_port
from tests.support.services import require_script

from .counted import BOUND, MODULE, Counted, end, requested
from .nodes import Broker
from .proxy import Proxy


@pytest.mark.parametrize(("kind", "away"), [("sync", 1), ("gthread", 2)])
def test_workers_of_gunicorn_that_are_recycled_lose_nothing(
    node: Broker, tmp_path: Path, kind: str, away: float
) -> None:
    port = free_port()
    command = (
        *(require_script("gunicorn"), f"{MODULE}:application", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", kind, "--workers", "2", "--threads", "4" if kind == "gthread" else "1"),
        *("--max-requests", "5", "--no-control-socket"),
        "--preload",  # else each worker imports Django, for a second or two
    )
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url, SENDS_AT_LOAD="yes")
        with counted.running(*command, ready="Booting worker") as server:
            with requested(port) as failures:
                counted.wait_for(10)
                counted.assert_none_reported()
                proxy.go_away()
                time.sleep(away)
                proxy.come_back()
                counted.wait_for(25)
            end(server)
    found = counted.counts()
    assert failures == []
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported <= 2 * 4  # what was on its way, by each thread of each worker
    assert found.senders >= found.sent / 10
    assert found.slowest < BOUND
