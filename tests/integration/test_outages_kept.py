"""A broker that is slow or away for a while: what is kept, what is told, and what a commit waits.

Messages are counted: each that was sent has arrived once, or was reported, and none is both. Processes
that end meanwhile are in `test_ends`, and outages of full length in `test_outages_long`.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest

from tests.support.processes import wait_until
from tests.support.scenarios import Outcome, run_scenario

from .nodes import Broker
from .outages import Send, Told
from .own_app import on_broker, publishing_to
from .proxy import Proxy

#: Seconds that a commit may take beyond ``PUBLISH_TIMEOUT``, on a machine that is busy with tests.
ALLOWANCE = 0.7


def committed(
    node: Broker,
    proxy: Proxy,
    act: Callable[[], object],
    *,
    seconds: float,
    within: float = 1 + ALLOWANCE,
    **settings: object,
) -> Outcome:
    """Run a process that commits twenty times a second, while something is done to its broker.

    Every message arrived once or was reported; `Outcome.failed` has those that were.

    Arguments:
        node: the broker.
        proxy: where the process finds the broker.
        act: is called meanwhile.
        seconds: how long the process commits.
        within: seconds that no commit exceeds.
        settings: keys of `DEFERRED_SIGNALS`.
    """
    queue = f"outages.{uuid4().hex}"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            run_scenario,
            "at_length",
            proxy.url,
            queue,
            SECONDS=str(seconds),
            SETTINGS=json.dumps({"BREAKER_COOLDOWN": 0.5, **settings}),
        )
        act()
        outcome = running.result()
    arrived = on_broker(node.host_url, queue)
    assert len(arrived) == len(set(arrived)), "a message was published twice"
    assert set(outcome.sent) == set(outcome.published) | set(outcome.failed), "a loss was not told"
    assert not set(outcome.published) & set(outcome.failed), "a message was told of twice"
    assert set(outcome.published) <= set(arrived), "a message that was told to be published is lost"
    assert outcome.longest < within
    return outcome


def be_away(proxy: Proxy, seconds: float) -> None:
    """Let a process commit for a while, and be away for some seconds."""
    time.sleep(4)
    proxy.go_away()
    time.sleep(seconds)
    proxy.come_back()


def test_broker_that_stands_still_loses_nothing(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:

        def stand_still() -> None:
            time.sleep(4)
            proxy.stand_still()
            time.sleep(1.5)
            proxy.go_on()

        outcome = committed(node, proxy, stand_still, seconds=8)
    assert outcome.failed == []
    assert len(outcome.sent) > 60


@pytest.mark.parametrize("away", [1, 4])
def test_broker_that_is_away_loses_at_most_what_was_on_its_way(node: Broker, away: float) -> None:
    with Proxy(node.host_url) as proxy:
        outcome = committed(node, proxy, partial(be_away, proxy, away), seconds=7 + away)
    assert len(outcome.failed) <= 4  # a commit of each thread


def test_broker_that_is_away_too_long_loses_what_is_told(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:
        outcome = committed(node, proxy, partial(be_away, proxy, 4), seconds=11, KEEP_FOR=1.5)
    assert len(outcome.failed) > 20
    assert len(outcome.published) > 60


def test_no_more_is_kept_than_the_settings_say(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:
        outcome = committed(node, proxy, partial(be_away, proxy, 3), seconds=10, KEEP_MESSAGES=10)
    assert len(outcome.failed) > 20


def test_process_that_starts_while_the_broker_is_away_keeps_what_it_sends(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.go_away()

        def come_back() -> None:
            time.sleep(4)
            proxy.come_back()

        outcome = committed(node, proxy, come_back, seconds=7)
    assert outcome.failed == []
    assert len(outcome.sent) > 60


def test_reply_that_drips_holds_no_commit_beyond_its_deadline(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:

        def drip() -> None:
            time.sleep(4)
            proxy.drip = 0.4
            time.sleep(2)
            proxy.drip = 0

        committed(node, proxy, drip, seconds=9)


def test_first_commit_on_a_slow_network_arrives(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.delay = 0.3
        # The first send imports, too.
        outcome = committed(node, proxy, lambda: None, seconds=3, within=4)
    assert outcome.failed == []


def test_connection_that_broke_meanwhile_is_replaced(node: Broker) -> None:
    with Proxy(node.host_url) as proxy:

        def cut() -> None:
            time.sleep(4)
            proxy.go_away()
            proxy.come_back()

        outcome = committed(node, proxy, cut, seconds=6)
    assert len(outcome.failed) <= 1


@pytest.mark.django_db(transaction=True)
def test_broker_that_went_away_between_two_commits_costs_no_message(
    node: Broker, send: Send, told: Told
) -> None:
    with Proxy(node.host_url) as proxy, publishing_to(proxy.url):
        sent, _ = send(2)
        assert told.published == sent
        proxy.go_away()
        more, _ = send(2)
        proxy.come_back()
        wait_until(lambda: told.published == sent + more, 20, "what was kept is published")
    assert told.failed == []
    assert sorted(on_broker(node.host_url)) == sorted(sent + more)
