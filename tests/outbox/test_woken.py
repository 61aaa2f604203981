"""Tasks that are given wake-ups: what Celery, the log and the lifecycle signals are told."""

from collections.abc import Iterator

import pytest

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.worker import OutboxRows
from deferred_signals.worker import calls
from deferred_signals.worker.rows import keep_rows_in, rows
from tests.project.celery import app
from tests.support.celery_messages import CeleryMessage
from tests.support.lifecycle import Lifecycle

from .rows import NOWHERE, Kept, database_away, of_runs

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def outbox() -> Iterator[None]:
    """Plug in what a worker has."""
    before = keep_rows_in(OutboxRows)
    made = rows()
    yield
    made.end()
    keep_rows_in(before)


def deliver(kept: Kept, *texts: str) -> str:
    """Run the receiver's task as a worker's child does; return its state for Celery."""
    headers = {"id": NOWHERE, "task": kept.name, "lang": "py", "argsrepr": "()", "kwargsrepr": "{}"}
    return CeleryMessage(kept.name, texts, headers, {"priority": 0}).deliver()


def test_run_that_succeeds_is_a_success(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    assert deliver(kept, wake_up.to_wire()) == "SUCCESS"
    assert kept.is_gone(wake_up)


def test_row_that_is_not_there_is_a_success_with_a_word(kept: Kept, lifecycle: Lifecycle) -> None:
    kept.connect()
    text = WakeUp("default", NOWHERE, 0, 1.0).to_wire()
    assert deliver(kept, text) == "SUCCESS"
    assert app.tasks[kept.name].run(text) == "not here"
    assert of_runs(lifecycle) == []


@pytest.mark.parametrize("text", ['{"wake":1,', '{"wake":1,"using":"default","id":"x"}'])
def test_forged_wake_up_is_a_failure_that_is_told(
    text: str, kept: Kept, lifecycle: Lifecycle
) -> None:
    function = kept.connect()
    assert deliver(kept, text) == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == (kept.name, None)
    assert told["reason"] == "the payload is malformed"
    assert function.runs is None


def test_each_of_several_wake_ups_is_run(kept: Kept) -> None:
    function = kept.connect()
    first, second = kept.send(number=1), kept.send(number=2)
    assert deliver(kept, first.to_wire(), second.to_wire()) == "SUCCESS"
    assert [kwargs["number"] for kwargs in function.runs] == [1, 2]
    assert kept.is_gone(first)
    assert kept.is_gone(second)


def test_wake_up_among_messages_is_no_message(kept: Kept) -> None:
    function = kept.connect()
    wake_up = kept.send(number=1)
    deliver(kept, kept.row(wake_up).payload, wake_up.to_wire())
    assert kept.row(wake_up).attempt == 0
    assert len(function.runs) == 1


def test_worker_without_an_outbox_says_so(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.connect()
    wake_up = kept.send()
    keep_rows_in(None)
    assert deliver(kept, wake_up.to_wire()) == "FAILURE"
    assert "INSTALLED_APPS" in caplog.text
    assert kept.row(wake_up).attempt == 0


def test_wake_up_goes_back_to_the_broker_while_the_database_is_away(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PAUSE", 0)
    kept.connect()
    wake_up = kept.send()
    with database_away():
        assert deliver(kept, wake_up.to_wire()) == "REJECTED"
    assert kept.row(wake_up).attempt == 0


def test_row_of_a_receiver_that_is_not_known_is_told_as_a_retry(kept: Kept) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.forget()
    assert deliver(kept, wake_up.to_wire()) == "RETRY"


def test_run_that_another_process_has_taken_over_is_not_told(
    kept: Kept, lifecycle: Lifecycle
) -> None:
    def lose() -> None:
        with kept.store.connection("default") as own:
            assert claim(own, wake_up._replace(attempt=1), kept.name, "there 1", 60)
        raise ConnectionError

    kept.connect(lose)
    wake_up = kept.send()
    assert deliver(kept, wake_up.to_wire()) == "SUCCESS"
    assert of_runs(lifecycle) == ["receiver_started"]
