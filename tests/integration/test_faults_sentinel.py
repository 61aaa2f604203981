"""A Redis that fails over: a sentinel promotes the replica of a master that is gone.

Redis tells a client that it took a message before the replica has it. So a message that was told to be
published may be lost with the master. Such losses are counted by themselves: nobody but Redis could
prevent them.
"""

import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import Process
from tests.support.scenarios import run_scenario

from .nodes import needs_local_broker
from .sentinels import OPTIONS, watched

pytestmark = needs_local_broker

QUEUE = "failover"

#: Seconds that a commit may take beyond ``PUBLISH_TIMEOUT``, on a machine that is busy with tests.
ALLOWANCE = 0.5


def freeze(master: Process) -> None:
    """Let a master hang until another one is promoted, and then go on as if nothing had been."""
    master.signal(signal.SIGSTOP)
    time.sleep(2)
    master.signal(signal.SIGCONT)


@pytest.mark.parametrize("fail", [Process.kill, freeze], ids=["killed", "frozen"])
def test_failover_of_redis_loses_at_most_what_was_on_its_way(
    tmp_path: Path, fail: Callable[[Process], None]
) -> None:
    with watched(tmp_path) as redis, ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            run_scenario,
            "at_length",
            redis.url,
            QUEUE,
            SECONDS="7",
            SETTINGS=json.dumps({"BREAKER_COOLDOWN": 0.5, "CONNECT_TIMEOUT": 1.5}),
            TRANSPORT_OPTIONS=json.dumps(OPTIONS),
        )
        time.sleep(3)
        fail(redis.master)
        outcome = running.result()
        arrived = redis.arrived(QUEUE)
    assert len(arrived) == len(set(arrived)), "a message was published twice"
    assert sorted(outcome.sent) == sorted(outcome.published + outcome.failed), "a loss was not told"
    assert len(outcome.failed) <= 4  # a commit of each thread
    lost_by_redis = set(outcome.published) - set(arrived)
    assert len(lost_by_redis) <= 4  # what the replica did not have yet
    assert len(outcome.published) > 60
    assert outcome.longest < 1 + ALLOWANCE
