"""How the outbox stands, as functions and commands tell it."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from deferred_signals.outbox import health, pause, status
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.operations import status as module
from deferred_signals.outbox.operations.status import STATES, Count

from .rows import NOWHERE, Kept, database_away, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect(name="tests.kept")


def command(*arguments: str, **options: Any) -> str:
    """Run the command; return what it writes, also where it fails."""
    out = io.StringIO()
    call_command("deferred_outbox", *arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def all_states(kept: Kept) -> dict[str, str]:
    """Have a message of each state; return their ids."""
    wake_ups = {name: kept.dead() if name == "dead" else kept.send() for name in STATES}
    for name in ("due", "paused", "waiting", "retrying"):
        kept.change(wake_ups[name], woken_at=None, due_at=seconds(-5 if name == "due" else 5))
    kept.change(wake_ups["retrying"], attempt=1)
    kept.change(wake_ups["paused"], due_at=seconds(-7), receiver="tests.held")
    pause("tests.held")
    assert claim(connection, wake_ups["running"], kept.name, "here 7", 60) is not None
    return {name: wake_up.id for name, wake_up in wake_ups.items()}


def test_empty_outbox_has_nothing_of_anything() -> None:
    (found,) = status()
    assert dict(found.counts) == dict.fromkeys(STATES, Count())
    assert (found.using, found.paused, found.relays_live) == ("default", (), True)


def test_every_state_is_told_apart(all_states: dict[str, str]) -> None:
    (found,) = status()
    assert {name: count.number for name, count in found.counts.items()} == dict.fromkeys(STATES, 1)
    assert found.paused == ("tests.held",)
    assert 5 <= (found.counts["due"].oldest or 0) < 60
    assert -5 <= (found.counts["waiting"].oldest or 0) < 0
    assert found.counts["paused"].receivers == {"tests.held": 1}
    assert found.counts["dead"].receivers == {"tests.kept": 1}


def test_message_whose_lease_is_over_is_due(kept: Kept) -> None:
    wake_up = kept.send()
    claim(connection, wake_up, kept.name, "here 7", -1)
    (found,) = status()
    assert (found.counts["running"].number, found.counts["due"].number) == (0, 1)


def test_counts_end_somewhere(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for _ in range(4):
        kept.send()
    (found,) = status()
    assert str(found.counts["queued"]) == "3+"
    assert found.counts["queued"].receivers == {"tests.kept": 3}


def test_relays_that_are_gone_are_noticed(kept: Kept) -> None:
    wake_up = kept.send()
    for woken_at in (None, seconds(-300)):
        kept.change(wake_up, woken_at=woken_at, due_at=seconds(-115))
        assert health().ok
        kept.change(wake_up, due_at=seconds(-125))
        (found,) = status()
        assert not found.relays_live
        assert not health().ok
        assert "No relay lives" in health().problems[0]


def test_what_is_paused_says_nothing_about_relays(kept: Kept) -> None:
    kept.change(kept.send(), woken_at=None, due_at=seconds(-600))
    pause(kept.name)
    assert health().ok


def test_health_survives_a_database_that_is_away(kept: Kept) -> None:
    kept.dead()
    assert (health().ok, health().dead) == (True, 1)
    connection.close()
    with database_away():
        found = health()
    connection.close()
    assert not found.ok
    assert found.problems == ("default: the outbox cannot be read (OperationalError).",)


def test_snapshot_that_keeps_rows_from_being_vacuumed_is_told(
    configure: Callable[..., None],
) -> None:
    (found,) = status()
    assert found.oldest_snapshot is None or found.oldest_snapshot >= 0
    if connection.vendor != "postgresql":
        return
    other = connection.copy()
    try:
        other.inc_thread_sharing()
        with other.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT pg_sleep(1.1)")
            (found,) = status()
            assert (found.oldest_snapshot or 0) > 1
    finally:
        other.close()


def test_command_writes_a_table(all_states: dict[str, str]) -> None:
    lines = command("status").splitlines()
    assert lines[0] == "Database default"
    assert lines[1].split() == ["state", "messages", "oldest"]
    table = {line.split()[0]: line.split() for line in lines[2:9]}
    assert set(table) == set(STATES)
    assert table["due"][1:] == ["1", "5", "s"]
    assert table["waiting"][2:4] == ["due", "in"]
    assert "  tests.held  1 paused" in lines
    assert "Paused: tests.held." in lines
    assert lines[-1] == "Relays live."


def test_command_writes_json(all_states: dict[str, str]) -> None:
    (found,) = json.loads(command("status", "--json"))
    assert found["using"] == "default"
    assert found["counts"]["dead"]["number"] == 1
    assert found["counts"]["dead"]["receivers"] == {"tests.kept": 1}
    assert found["relays_live"] is True


@pytest.mark.parametrize(
    ("options", "alarm"),
    [
        (("--max-dead", "0"), "1 dead letters, and --max-dead allows 0"),
        (("--max-due", "3s"), "a message is due since [5-9] s"),
    ],
)
def test_alarms_make_the_command_fail(
    options: tuple[str, ...], alarm: str, all_states: dict[str, str]
) -> None:
    with pytest.raises(CommandError, match=alarm):
        command("status", *options)
    command("status", "--max-dead", "1", "--max-due", "1h")


def test_dead_relays_make_the_command_fail(kept: Kept) -> None:
    kept.change(kept.send(), woken_at=None, due_at=seconds(-600))
    with pytest.raises(CommandError, match="default: messages are due for longer than two LEASE"):
        command("status")


@pytest.mark.parametrize("state", STATES)
def test_one_message_is_shown_with_its_state(state: str, all_states: dict[str, str]) -> None:
    told = command("show", all_states[state])
    facts = dict(line.split("  ", 1) for line in told.split("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    assert facts["state"] == state
    assert facts["message"] == all_states[state]
    assert ("run by" in facts) is (state == "running")
    assert ("ConnectionError" in told) is (state == "dead")


def test_values_are_shown_only_if_asked_for(kept: Kept) -> None:
    wake_up = kept.send(card="4111-1111")
    assert "4111-1111" not in command("show", wake_up.id)
    assert "tests.kept(card)" in command("show", wake_up.id)
    assert "4111-1111" in command("show", wake_up.id, "--payload")


def test_payload_that_nobody_can_read_is_shown_all_the_same(kept: Kept) -> None:
    wake_up = kept.send()
    kept.change(wake_up, payload="{}", options="no JSON")
    assert "cannot be read here" in command("show", wake_up.id)


def test_message_that_is_not_there_is_told_of() -> None:
    with pytest.raises(CommandError, match="is not there: it is through"):
        command("show", NOWHERE)
    with pytest.raises(CommandError, match="'7' is no id of a durable message"):
        command("show", "7")
