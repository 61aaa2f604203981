"""`manage.py deferred_outbox replay`, `discard`, `pause`, `resume` and `purge`."""

import io
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.commands import changing
from deferred_signals.outbox.commands.arguments import age, moment
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations import letters

from .rows import NOWHERE, Kept, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect(name="tests.kept")


def command(*arguments: str, **options: Any) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command("deferred_outbox", *arguments, stdout=out, stderr=err, **options)
    return err.getvalue() + out.getvalue()


def test_replay_tells_how_many(kept: Kept) -> None:
    first, _second = kept.dead(), kept.dead()
    assert command("replay", "--all", "--dry-run") == "Would replay 2 dead letters.\n"
    assert command("replay", first.id) == "Replayed 1 dead letter.\n"
    assert command("replay", "--receiver", "tests.kept") == "Replayed 1 dead letter.\n"
    assert command("replay", "--all") == "Replayed 0 dead letters.\n"
    assert command("replay", "--all", verbosity=0) == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("replay",), "Say which messages: ids, --all, or one or several of --receiver"),
        (("discard",), "Say which messages"),
        (("replay", "--all", "--receiver", "x"), "Say which messages"),
        (("replay", "7"), "'7' is no id"),
        (("replay", NOWHERE), "None of these is a dead letter"),
        (("replay", "--all", "--to", "tests.keptt"), "tests.kept"),
        (("replay", "--all", "--using", "nowhere"), "'nowhere' has no outbox"),
        (("replay", "--all", "--since", "yesterday"), "'yesterday' is no time: write 2026"),
        (("replay", "--all", "--since", "2026-02-30"), "'2026-02-30' is no time"),
        (("discard", NOWHERE), "is not there: it is through, or was never durable"),
        (("discard", NOWHERE, "--receiver", "x"), "leave out the other options"),
        (("discard", "--all", "--force"), "--force is for ids"),
        (("purge", "--older-than", "soon"), "'soon' is no age: write 90s, 30m, 36h or 7d"),
        (("resume", "tests.kept"), "tests.kept is not paused"),
        (("resume",), "RECEIVER"),
        (("relay", "--twice"), "--twice"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        command(*arguments)


def test_discard_tells_how_many(kept: Kept) -> None:
    dead, waits = kept.dead(), kept.send()
    assert command("discard", "--all", "--dry-run") == "Would discard 1 dead letter.\n"
    assert command("discard", waits.id) == "Discarded 1 message.\n"
    assert command("discard", "--error", "ConnectionError") == "Discarded 1 dead letter.\n"
    assert kept.is_gone(dead)
    assert kept.is_gone(waits)


def test_discard_refuses_what_runs_unless_forced(kept: Kept) -> None:
    waits, runs = kept.send(), kept.send()
    assert claim(connection, runs, kept.name, "here 7", 60) is not None
    with pytest.raises(CommandError) as failure:
        command("discard", waits.id, runs.id)
    assert "Discarded 1 message." in str(failure.value)
    assert "is being run by here 7" in str(failure.value)
    assert "With --force it is removed." in str(failure.value)
    assert command("discard", runs.id, "--force") == "Discarded 1 message.\n"
    assert not OutboxMessage.objects.exists()


def test_pause_and_resume_tell_what_they_did(kept: Kept) -> None:
    assert command("pause", "tests.kept") == "tests.kept is paused.\n"
    assert command("pause", "tests.kept") == "tests.kept was paused already.\n"
    assert command("resume", "tests.kept") == "tests.kept is resumed.\n"
    told = command("pause", "tests.nobody")
    assert "knows no receiver tests.nobody" in told
    assert "tests.nobody is paused." in told
    kept.disconnect()
    kept.connect(name="tests.kept", durable=False)
    assert "tests.kept is not durable" in command("pause", "tests.kept")


def test_receiver_that_is_durable_by_the_setting_is_paused_without_a_warning(
    kept: Kept, configure: Callable[..., None]
) -> None:
    kept.disconnect()
    kept.connect(name="tests.kept", durable=None)
    assert "is not durable" in command("pause", "tests.kept")
    configure(DURABLE=True)
    assert command("pause", "tests.kept") == "tests.kept was paused already.\n"


def test_purge_tells_how_many(kept: Kept) -> None:
    kept.change(kept.dead(), dead_at=seconds(-90))
    assert command("purge") == "Purged 0 dead letters.\n"
    assert command("purge", "--older-than", "1m", "--dry-run") == "Would purge 1 dead letter.\n"
    assert command("purge", "--older-than", "1m") == "Purged 1 dead letter.\n"


def test_long_work_is_told_of(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "BATCH", 1)
    monkeypatch.setattr(changing, "EACH", 2)
    for _ in range(5):
        kept.dead()
    told = command("replay", "--all")
    assert told == "2 so far.\n4 so far.\nReplayed 5 dead letters.\n"


def test_times_are_read() -> None:
    assert age("2m").total_seconds() == 120
    assert moment("2026-01-31") == datetime(2026, 1, 31)  # noqa: DTZ001 - of Django's own zone
    assert moment("2026-01-31T12:00+00:00").utcoffset() is not None
    assert 3500 < (datetime.now().astimezone() - moment("1h")).total_seconds() < 3700


def test_help_tells_of_every_action() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "django", "deferred_outbox", "--help"],
        env={"DJANGO_SETTINGS_MODULE": "tests.project.settings", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for action in ("status", "show", "relay", "replay", "discard", "pause", "resume", "purge"):
        assert f"    {action} " in found.stdout
