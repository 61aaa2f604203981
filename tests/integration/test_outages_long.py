"""Outages of full length, with the settings that users have. They take minutes: `LONG_OUTAGES=1` runs them.

The short ones are in `test_outages_kept`. The counts stand in `docs/how-it-works.md`.
"""

import os
import time
from pathlib import Path

import pytest

from tests.support.ledger import Counts

from .counted import BOUND, Counted, end, script
from .nodes import Broker
from .proxy import Proxy

pytestmark = pytest.mark.skipif(
    os.environ.get("LONG_OUTAGES") != "1", reason="LONG_OUTAGES=1 runs it; it takes minutes"
)

#: Commits in a second, and how many of them are on their way at most: one of each thread.
RATE, THREADS = 20, 4

#: Seconds that a message is kept, and those between two tries of the broker.
KEEP_FOR, COOLDOWN = 30, 5


def be_away(node: Broker, folder: Path, seconds: float, after: int) -> Counts:
    """Be away for a while, after so many commits of a process; return what became of all messages."""
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, folder, proxy.url, HANDLES_SIGTERM="yes")
        if not after:
            proxy.go_away()
        with counted.running(*script("commit_until_told")) as process:
            if after:
                counted.wait_for(after)
                proxy.go_away()
            time.sleep(seconds)
            proxy.come_back()
            time.sleep(COOLDOWN + 2)
            end(process)
    found = counted.counts()
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.sent > 0.8 * RATE * seconds
    assert found.slowest < BOUND
    return found


@pytest.mark.parametrize("away", [1, 10, 25])
def test_outage_that_is_shorter_than_keep_for_loses_at_most_what_was_on_its_way(
    node: Broker, tmp_path: Path, away: float
) -> None:
    assert be_away(node, tmp_path, away, after=60).reported <= THREADS


def test_outage_that_is_longer_than_keep_for_loses_what_is_older_and_reports_it(
    node: Broker, tmp_path: Path
) -> None:
    found = be_away(node, tmp_path, 60, after=60)
    assert found.reported > 0.8 * RATE * (60 - KEEP_FOR)
    assert found.reported < RATE * (60 - KEEP_FOR + COOLDOWN) + THREADS


def test_process_that_starts_in_an_outage_loses_nothing(node: Broker, tmp_path: Path) -> None:
    assert be_away(node, tmp_path, 10, after=0).reported == 0
