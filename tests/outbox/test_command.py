"""`manage.py deferred_outbox relay`, in this process and as one of its own."""

import io
import os
import signal as signals
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery.app import app_or_default
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.dispatch import Signal

from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.testing import live
from deferred_signals.worker.relaying import RELAY
from deferred_signals.worker.rows import rows
from tests.project.databases import database_url
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.processes import Process, wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("only_own_receivers"),
]

#: The name of a receiver that other processes know, too.
NAME = "tests.durable.plain"

AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture
def send(signal: Signal, defer: Connected, broker: Broker) -> Callable[..., None]:
    """Commit so many rows that are due, and that nobody was woken for."""

    def send(count: int, name: str = NAME) -> None:
        # With a countdown nothing is published at the commit.
        defer(signal, durable=True, name=name, countdown=9, weak=False)(
            lambda sender, **kwargs: None
        )
        with live():
            for _ in range(count):
                signal.send(None)
        row = OutboxMessage.objects.earliest("created_at")
        OutboxMessage.objects.update(due_at=row.created_at)

    return send


def relay(*options: str, **settings: Any) -> str:
    """Run the command in this process; return what it writes."""
    out = io.StringIO()
    call_command("deferred_outbox", "relay", *options, stdout=out, **settings)
    return out.getvalue()


def ready() -> int:
    """Count the messages on the broker inside of this process."""
    with app_or_default().connection_for_read() as client:
        channel: Any = client.default_channel
        return int(channel.queue_declare("celery", passive=True).message_count)


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 messages"), (1, "1 message"), (7, "7 messages")]
)
def test_once_wakes_up_all_that_is_due_and_counts(
    count: int, told: str, send: Callable[..., None], configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"RELAY_BATCH": 3})
    if count:
        send(count)
    assert relay("--once") == f"Woke up {told}.\n"
    assert OutboxMessage.objects.filter(woken_at=None).count() == 0
    if count:
        assert ready() == count
        assert relay("--once") == "Woke up 0 messages.\n"


def test_verbosity_0_is_silent(send: Callable[..., None]) -> None:
    send(1)
    assert relay("--once", verbosity=0) == ""


def test_once_counts_no_row_whose_receiver_nobody_knows(
    send: Callable[..., None], defer: Connected
) -> None:
    """Nor does it end them: only workers do."""
    send(3)
    OutboxMessage.objects.update(receiver="tests.removed")
    assert relay("--once") == "Woke up 0 messages.\n"
    assert OutboxMessage.objects.filter(dead_at=None, woken_at=None).count() == 3


def test_once_fails_where_the_broker_is_away(send: Callable[..., None], broker_away: None) -> None:
    send_error = r"^Some messages could not be woken up \(.*\)\. They wait in the outbox"
    send(1)
    for _ in range(2):  # where the line knows it, too
        with pytest.raises(CommandError, match=send_error):
            relay("--once")


@contextmanager
def no_table() -> Iterator[None]:
    """Hide the table."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO hidden")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE hidden RENAME TO {TABLE}")


@pytest.mark.parametrize("options", [["--once"], []])
def test_database_without_the_table_is_told_of(options: list[str]) -> None:
    with no_table(), pytest.raises(CommandError, match=r"Its databases are: default\. .*migrate"):
        relay(*options)


def test_task_of_beat_wakes_up_all_that_is_due(
    send: Callable[..., None], configure: Callable[..., None]
) -> None:
    configure(OUTBOX={"RELAY_BATCH": 3})
    send(7)
    assert app_or_default().tasks[RELAY].apply().get() == 7
    assert ready() == 7
    rows().end()


def environment(broker: str) -> dict[str, str]:
    return {
        "BROKER_URL": broker,
        "DATABASE_URL": database_url(connections["default"].settings_dict),
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "DEFERRED_SIGNALS": '{"OUTBOX": {"RELAY_INTERVAL": 0.1}, "CONNECT_TIMEOUT": 1}',
        "TESTS_APP_MODULES": "tests.app.durable_receivers",
        "PYTHONUNBUFFERED": "1",
    }


COMMAND = (sys.executable, "-m", "django", "deferred_outbox", "relay")


@pytest.mark.parametrize("number", [signals.SIGTERM, signals.SIGINT])
def test_signal_ends_the_command(
    number: signals.Signals, send: Callable[..., None], tmp_path: Path
) -> None:
    send(3)
    log = tmp_path / "relay.log"
    process = Process(
        "relay", COMMAND, log=log, ready="Woke up 3 messages.", env=environment("memory://")
    )
    try:
        process.start()
        os.kill(process.pid, number)
        wait_until(lambda: not process.alive, 10, "the command ends")
        assert process.exit_code == 0
    finally:
        process.kill()
    lines = log.read_text().splitlines()
    assert lines == ["Woke up 3 messages.", f"Ended by {number.name}. Woke up 3 messages."]


def test_broker_that_is_away_is_told_of_once_and_survived(
    send: Callable[..., None], tmp_path: Path
) -> None:
    send(3)
    log = tmp_path / "relay.log"
    process = Process(
        "relay", COMMAND, log=log, ready="could not be woken up", env=environment(AWAY)
    )
    try:
        process.start()
        os.kill(process.pid, signals.SIGTERM)
        wait_until(lambda: not process.alive, 10, "the command ends")
        assert process.exit_code == 0
    finally:
        process.kill()
    text = log.read_text()
    assert text.count("Connection refused") == 1
    assert text.endswith("Ended by SIGTERM. Woke up 0 messages.\n")


def test_once_exits_with_1_where_the_broker_is_away(send: Callable[..., None]) -> None:
    send(3)
    found = subprocess.run(
        [*COMMAND, "--once"],
        env={**os.environ, **environment(AWAY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 1
    assert found.stdout == "Woke up 0 messages.\n"
    assert "CommandError: Some messages could not be woken up" in found.stderr
    assert found.stderr.count("Connection refused") == 1
    assert "Traceback" not in found.stderr
