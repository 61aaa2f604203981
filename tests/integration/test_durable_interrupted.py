"""Real processes are interrupted while the rows of their commit are written: the commit saves nothing."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections

from deferred_signals.outbox.models import TABLE, OutboxMessage
from tests.app.interrupted_receivers import sends_in_time
from tests.app.models import Label
from tests.support.processes import Process, wait_until

from .cuts import cut
from .durable import dead_letters, effects_of, environment, usually_on, wait_for_empty_outbox
from .faults import Faults
from .nodes import Broker, needs_local_broker
from .runs import defer, runs, wait_for_runs
from .workers import services, worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("short_leases"),
    needs_local_broker,
]

PROGRAM = Path(__file__).with_name("interrupted_sender.py")

#: What interrupts each process, and what its commit raises.
CAUGHT = {
    "KeyboardInterrupt": "KeyboardInterrupt",
    "SystemExit": "SystemExit",
    "Cut": "OperationalError",
    "Timeout": "Timeout",
}

#: Those that the test interrupts, once their INSERT waits. The other one does so itself, after a second.
TO_INTERRUPT = ("KeyboardInterrupt", "SystemExit", "Cut")

#: How to let each INSERT into a table wait, and how to list the sessions whose INSERT waits.
HOLD = {"postgresql": "LOCK TABLE {} IN SHARE MODE", "mysql": "LOCK TABLES {} READ"}
WAITING = {
    "postgresql": """
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s
    """,
    "mysql": """
        SELECT id FROM information_schema.processlist
        WHERE db = database() AND state LIKE 'Waiting%%' AND info LIKE %s
    """,
}


@contextmanager
def held_up() -> Iterator[None]:
    """Let the INSERT of durable messages wait, until the end of the block."""
    own = connections.create_connection("default")
    try:
        own.set_autocommit(False)
        with own.cursor() as cursor:
            cursor.execute(HOLD[own.vendor].format(TABLE))
            yield
    finally:
        own.close()


def waiting() -> set[str]:
    """Return the sessions whose INSERT waits."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING[connection.vendor], [f"INSERT INTO {TABLE}%"])
        return {str(session) for (session,) in cursor.fetchall()}


def word(process: Process, what: str) -> str:
    """Wait for a line that a process writes; return the word that stands there."""
    found: list[str] = []

    def is_written() -> bool:
        found.extend(line.split()[1] for line in process.logs().splitlines()
                     if line.startswith(f"{what} "))  # fmt: skip
        return bool(found)

    wait_until(is_written, 30, f"{process.name} writes {what!r}")
    return found[0]


def interrupt(senders: dict[str, Process]) -> None:
    """Interrupt the processes that do not do so themselves, while they wait for their INSERT."""
    sessions = {how: word(senders[how], "session") for how in TO_INTERRUPT}
    wait_until(lambda: waiting() >= {*sessions.values()}, 60, "their INSERTs wait")
    os.kill(senders["KeyboardInterrupt"].pid, signal.SIGINT)
    os.kill(senders["SystemExit"].pid, signal.SIGTERM)
    cut([int(sessions["Cut"])])


@usually_on("redis")
def test_commit_that_is_interrupted_saves_nothing_and_raises_what_interrupted_it(
    broker: Broker, tmp_path: Path, faults: Faults
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("On SQLite a transaction waits when it begins, and never for an INSERT.")
    variables = environment()
    variables["TESTS_APP_MODULES"] += " tests.app.interrupted_receivers"
    with ExitStack() as stack:
        stack.enter_context(worker(broker, tmp_path, **variables))
        with held_up():
            senders = {how: stack.enter_context(sender(broker, tmp_path, how)) for how in CAUGHT}
            interrupt(senders)
            defer(sends_in_time)
            caught = {how: word(process, "caught") for how, process in senders.items()}
            [limited] = wait_for_runs(1, 30, receiver="caught")
            assert not OutboxMessage.objects.exists()
        ids = [word(process, "sent") for process in senders.values()]
        [failed] = wait_for_runs(1, 30, receiver="failed")
        wait_for_empty_outbox()
    assert caught == CAUGHT
    assert limited.payload == {"error": "SoftTimeLimitExceeded"}
    assert {label.name for label in Label.objects.all()} == {f"saved {how}" for how in CAUGHT}
    assert {run.message_id for run in runs(receiver="plain")} == set(ids)
    assert set(effects_of(ids).values()) == {1}
    assert dead_letters() == {failed.message_id: 1}  # of the run that was interrupted
    fault = "the sender's INSERT is interrupted at its COMMIT; what it sends afterwards"
    faults.count(fault, "prefork, 1 child", plain=ids)


@contextmanager
def sender(broker: Broker, folder: Path, how: str) -> Iterator[Process]:
    """Run the program that is interrupted; a test that fails shows what it wrote."""
    process = Process(
        how,
        [sys.executable, str(PROGRAM), how],
        env=services(broker) | environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
        log=folder / f"{how}.log",
        ready="",
    )
    try:
        process.start()
        yield process
    finally:
        process.kill()
        print(process.logs())  # noqa: T201 - see above
