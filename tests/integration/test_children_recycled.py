"""Celery recycles the children of a worker while the broker that they publish to is away."""

import sys
import time
from pathlib import Path

from .counted import BOUND, MODULE, Counted
from .nodes import Broker
from .proxy import Proxy

#: Runs of a receiver, each of which commits one message, and those of one child.
RUNS, EACH = 16, 2


def test_children_that_are_recycled_publish_or_report_what_they_kept(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        # The worker goes on to be given messages, or no child would be recycled meanwhile.
        counted = Counted(node, tmp_path, proxy.url, READ_URL=node.host_url, COUNT=str(RUNS))
        counted.run("ask", BROKER_URL=node.host_url, LEDGER=str(tmp_path / "asked"))
        command = (
            *(sys.executable, "-m", "celery", "-A", MODULE, "worker", "-P", "prefork", "-c", "2"),
            *("--max-tasks-per-child", str(EACH), "-Q", f"{counted.queue}.asked"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"),
        )
        with counted.running(*command, ready=" ready.") as worker:
            counted.wait_for(6)
            counted.assert_none_reported()
            proxy.go_away()
            time.sleep(1.5)
            proxy.come_back()
            counted.wait_for(RUNS)
            worker.stop(15)  # a child may be being replaced: see `test_durable_pools.end_warmly`
    found = counted.counts()
    assert found.sent == RUNS
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported <= 2  # what was on its way, by each child
    assert found.senders >= RUNS / EACH
    assert found.slowest < BOUND
