"""Processes that begin, fork and end while their broker is away: by SIGTERM, or with their work done."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from .counted import BOUND, Counted, end, script
from .nodes import Broker
from .proxy import Proxy


def test_sigterm_whose_handler_exits_publishes_what_is_kept_if_the_broker_comes_back(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url, HANDLES_SIGTERM="yes")
        with counted.running(*script("commit_until_told")) as process:
            counted.wait_for(10)
            proxy.go_away()
            counted.wait_for(25)
            threading.Timer(1.5, proxy.come_back).start()
            end(process)
    found = counted.counts()
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported <= 4  # what was on its way
    assert found.sent >= 25
    assert found.slowest < BOUND


def test_sigterm_whose_handler_exits_reports_what_is_kept_if_the_broker_stays_away(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        counted = Counted(
            node, tmp_path, proxy.url, HANDLES_SIGTERM="yes", SETTINGS='{"CONNECT_TIMEOUT": 1}'
        )
        with counted.running(*script("commit_until_told")) as process:
            counted.wait_for(10)
            proxy.go_away()
            counted.wait_for(25)
            began = time.monotonic()
            end(process)
            assert time.monotonic() - began < 1 + BOUND
    found = counted.counts()
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported >= 10


def test_second_sigterm_ends_the_wait_for_the_broker_and_loses_nothing_unseen(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url, HANDLES_SIGTERM="yes")
        with counted.running(*script("commit_until_told")) as process:
            counted.wait_for(10)
            proxy.go_away()
            counted.wait_for(25)
            os.kill(process.pid, signal.SIGTERM)
            time.sleep(1)  # so that the threads have ended, and what is kept is waited for
            began = time.monotonic()
            end(process)
            assert time.monotonic() - began < BOUND
    found = counted.counts()
    assert (found.silent, found.doubled, found.contradicted) == (0, 0, 0)
    assert found.reported >= 10


def test_sigterm_without_a_handler_loses_what_is_kept_and_nothing_else(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        counted = Counted(node, tmp_path, proxy.url)
        with counted.running(*script("commit_until_told")) as process:
            counted.wait_for(10)
            proxy.go_away()
            counted.wait_for(25)
            end(process)
    found = counted.counts()
    assert (found.doubled, found.contradicted) == (0, 0)
    assert found.silent >= 10
    assert found.arrived >= 5  # what was published before


def test_process_that_ends_soon_waits_for_a_broker_that_comes_back(
    node: Broker, tmp_path: Path
) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.go_away()
        threading.Timer(2.5, proxy.come_back).start()
        counted = Counted(node, tmp_path, proxy.url)
        counted.run("commit_briefly")
    found = counted.counts()
    assert (found.arrived, found.reported, found.doubled) == (20, 0, 0)


@pytest.mark.parametrize("fork", ["fork_in_c", "fork_by_multiprocessing"])
def test_child_keeps_and_publishes_its_own_messages_only(
    node: Broker, tmp_path: Path, fork: str
) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.go_away()
        threading.Timer(2.5, proxy.come_back).start()
        counted = Counted(node, tmp_path, proxy.url)
        counted.run(fork)
    found = counted.counts()
    assert (found.senders, found.arrived, found.reported, found.doubled) == (2, 7, 0, 0)
