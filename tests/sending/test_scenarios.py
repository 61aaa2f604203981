"""Sends without threads or files, at exit, in children, and in handlers: no sender fails or hangs."""

import pytest

from tests.support.scenarios import run_scenario

MEMORY = "memory://"


def test_messages_are_published_where_no_thread_can_be_started() -> None:
    outcome = run_scenario("without_threads", MEMORY)
    assert len(outcome.sent) == 4
    assert outcome.published == outcome.sent


@pytest.mark.parametrize("broker", ["amqp://127.0.0.1:1", "redis://127.0.0.1:1"])
def test_broker_that_is_away_as_well_is_asked_once(broker: str) -> None:
    outcome = run_scenario("without_threads", broker, SETTINGS='{"KEEP_FOR": 0}')
    assert outcome.published == []
    assert outcome.lost == len(outcome.sent) == 4


@pytest.mark.parametrize("warm", ["", "yes"])
def test_sends_are_lost_and_reported_where_no_file_can_be_opened(warm: str) -> None:
    outcome = run_scenario("without_files", MEMORY, WARM=warm)
    assert len(outcome.published) + outcome.lost == (4 if warm else 3)
    assert "is lost" in outcome.errors or not outcome.lost


def test_message_of_an_exit_handler_is_published() -> None:
    outcome = run_scenario("at_exit", MEMORY)
    assert len(outcome.sent) == 1
    assert outcome.published == outcome.sent


def test_message_of_a_finalizer_is_published_or_reported_at_once() -> None:
    outcome = run_scenario("at_the_very_end", MEMORY)
    assert len(outcome.sent) == 2
    assert len(outcome.published) + outcome.lost == 2
    assert outcome.longest < 1
    assert "Traceback" not in outcome.errors


@pytest.mark.parametrize(
    "module",
    [
        "deferred_signals.sending.commit",
        "deferred_signals.publishing.publisher",
        "kombu.transport.memory",
    ],
)
def test_child_of_a_process_whose_other_thread_imports_does_not_hang(module: str) -> None:
    outcome = run_scenario("fork_while_importing", MEMORY, MODULE=module)
    assert outcome.children == [0]
    assert len(outcome.sent) == 2
    assert sorted(outcome.published) == sorted(outcome.sent)


def test_ids_of_a_process_that_was_forked_in_c_are_its_own() -> None:
    outcome = run_scenario("fork_in_c", MEMORY)
    assert outcome.children == [0]
    assert len(set(outcome.sent)) == 63
    assert sorted(outcome.published) == sorted(outcome.sent)


def test_handler_of_a_unix_signal_that_sends_waits_for_no_lock_of_what_it_interrupts() -> None:
    outcome = run_scenario("in_a_handler_among_locks", MEMORY)
    assert len(outcome.sent) == 3
    assert sorted(outcome.published) == sorted(outcome.sent)
    assert outcome.longest < 1
