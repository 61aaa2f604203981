"""Rows that this process cannot run, and another one may: they are set on, and not charged."""

from collections.abc import Callable

import pytest

from deferred_signals.message.wakeup import WakeUp
from deferred_signals.running.outcomes import Failed, Succeeded, Unknown
from deferred_signals.worker.delivery import Elsewhere
from tests.support.lifecycle import Lifecycle

from .rows import Kept, is_set, now, of_runs, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

Configure = Callable[..., None]


@pytest.fixture(params=["receiver", "version", "wire version", "type"])
def wake_up(request: pytest.FixtureRequest, kept: Kept) -> WakeUp:
    """Send a message that names something which this process does not know."""
    kept.connect()
    found = kept.send(number=1)
    payload = kept.row(found).payload
    match request.param:
        case "receiver":
            kept.forget()
        case "version":
            kept.change(found, payload=payload[:-1] + ',"version":2}')
        case "wire version":
            kept.change(found, payload=payload.replace('{"v":1,', '{"v":2,'))
        case "type":
            unknown = '"number":{"$model":"tests_app.Nothing"}'
            kept.change(found, payload=payload.replace('"number":1', unknown))
    return found


def test_row_is_set_on_without_a_charge(kept: Kept, wake_up: WakeUp, lifecycle: Lifecycle) -> None:
    began = now()
    outcome = kept.run(wake_up)
    assert isinstance(outcome, Elsewhere)
    assert outcome.due is not None
    row = kept.row(wake_up)
    assert (row.attempt, row.claimed_by, row.woken_at, row.dead_at) == (0, None, None, None)
    assert is_set(row.due_at, 5, began)
    assert row.error.startswith("Unknown since ")
    assert of_runs(lifecycle) == []


def since(kept: Kept, wake_up: WakeUp, ago: float) -> None:
    """Let the row have been unknown for some seconds."""
    told = kept.row(wake_up).error
    then = told.split()[2].rstrip(".")
    kept.change(wake_up, error=told.replace(then, f"{float(then) - ago:.0f}", 1))


def test_row_is_looked_at_more_and_more_seldom(kept: Kept, wake_up: WakeUp) -> None:
    began = now()
    kept.run(wake_up)
    since(kept, wake_up, 100)
    kept.run(wake_up)
    assert is_set(kept.row(wake_up).due_at, 50, began, slack=2)
    since(kept, wake_up, 2000)
    kept.run(wake_up)
    assert is_set(kept.row(wake_up).due_at, 300, began)


def test_row_is_dead_when_its_grace_is_over(
    kept: Kept, wake_up: WakeUp, lifecycle: Lifecycle, configure: Configure
) -> None:
    configure(UNKNOWN_GRACE=60)
    kept.run(wake_up)
    since(kept, wake_up, 59)
    assert isinstance(kept.run(wake_up), Elsewhere)
    since(kept, wake_up, 2)
    outcome = kept.run(wake_up)
    assert isinstance(outcome, Failed)
    assert not isinstance(outcome, Unknown)
    assert kept.row(wake_up).dead_at is not None
    assert of_runs(lifecycle) == ["receiver_failed"]
    assert kept.run(wake_up) is None


def test_grace_begins_with_the_first_meeting(kept: Kept, configure: Configure) -> None:
    """A row may have waited for days before, as with a countdown."""
    configure(UNKNOWN_GRACE=60)
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, created_at=seconds(-1e6))
    kept.forget()
    assert isinstance(kept.run(wake_up), Elsewhere)


def test_row_runs_when_its_receiver_is_known(kept: Kept) -> None:
    kept.connect(name="tests.known_later")
    wake_up = kept.send(number=1)
    kept.forget()
    kept.run(wake_up)
    function = kept.connect(name="tests.known_later")
    assert kept.run(wake_up) == Succeeded()
    assert len(function.runs) == 1


def test_earlier_failures_are_kept_behind_what_is_unknown(kept: Kept) -> None:
    kept.connect(ValueError("the first"), name="tests.known_before")
    wake_up = kept.send()
    kept.run(wake_up)
    kept.forget()
    for _ in range(2):
        assert isinstance(kept.run(wake_up._replace(attempt=1)), Elsewhere)
        told = kept.row(wake_up).error
        assert told.startswith("Unknown since ")
        assert told.count("ValueError: the first") == 1
    kept.connect(OSError("the last"), name="tests.known_before")
    kept.run(wake_up._replace(attempt=1))
    told = kept.row(wake_up).error
    assert told.index("ValueError: the first") < told.index("OSError: the last")
    assert "Unknown since" not in told
