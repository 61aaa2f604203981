"""Sends without threads, at exit, in children of all kinds, and in handlers, on real brokers."""

from uuid import uuid4

import pytest

from tests.support.scenarios import Outcome, run_scenario

from .nodes import Broker
from .own_app import on_broker
from .proxy import Proxy


def run_and_check(scenario: str, node: Broker, **environ: str) -> Outcome:
    """Run a scenario, assert that each message arrived once, and return the outcome."""
    queue = f"scenarios.{uuid4().hex}"  # what a test that fails leaves behind is no other's
    outcome = run_scenario(scenario, node.host_url, queue, **environ)
    assert outcome.lost == 0
    assert sorted(on_broker(node.host_url, queue)) == sorted(outcome.sent)
    return outcome


def test_messages_arrive_where_no_thread_can_be_started(node: Broker) -> None:
    assert len(run_and_check("without_threads", node).sent) == 4


def test_broker_that_never_answers_is_waited_for_once_where_no_thread_can_be_started(
    node: Broker,
) -> None:
    with Proxy(node.host_url) as proxy:
        proxy.silent = True
        settings = '{"KEEP_FOR": 0, "PUBLISH_TIMEOUT": 2}'
        outcome = run_scenario("without_threads", proxy.url, SETTINGS=settings)
    assert outcome.lost == len(outcome.sent) == 4
    assert (
        outcome.longest < 3.8
    )  # the imports of a first send, on a busy machine, are no second wait


def test_messages_arrive_where_no_more_files_can_be_opened(node: Broker) -> None:
    assert len(run_and_check("without_files", node, WARM="yes").sent) == 4


def test_message_of_an_exit_handler_arrives(node: Broker) -> None:
    assert len(run_and_check("at_exit", node).sent) == 1


@pytest.mark.parametrize(
    "module", ["deferred_signals.sending.commit", "deferred_signals.publishing.publisher"]
)
def test_child_of_a_process_whose_other_thread_imports_sends(node: Broker, module: str) -> None:
    outcome = run_and_check("fork_while_importing", node, MODULE=module)
    assert outcome.children == [0]
    assert len(outcome.sent) == 2


def test_children_of_a_process_whose_other_threads_send_do_not_hang(node: Broker) -> None:
    outcome = run_and_check("fork_while_sending", node)
    assert outcome.children == [0] * 25


def test_process_that_was_forked_in_c_shares_no_connection_and_no_ids(node: Broker) -> None:
    outcome = run_and_check("fork_in_c", node)
    assert outcome.children == [0]
    assert len(set(outcome.sent)) == 63


def test_messages_of_handlers_of_unix_signals_arrive_once(node: Broker) -> None:
    assert len(run_and_check("in_handlers", node).sent) > 100
