"""Processes of `counted_program`, started as a test wants them, and what became of their messages."""

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.support.ledger import Counts, counts, noted_so_far, untold_so_far
from tests.support.processes import Process, wait_until

from .nodes import Broker
from .own_app import on_broker

ROOT = Path(__file__).parents[2]
MODULE = "tests.integration.counted_program"

#: Seconds of a commit: ``PUBLISH_TIMEOUT``, and what a machine may add that is busy with tests.
BOUND = 1.0 + 1.0

#: Seconds in which a machine that is busy starts a server, or ends one.
PATIENCE = 60.0

#: Requests in a second, on so many threads.
RATE, THREADS = 20, 4


class Counted:
    """A project that publishes to a broker, perhaps through a proxy, and its ledger.

    Arguments:
        node: the broker.
        folder: where the ledger and the logs are.
        url: where the processes find the broker; None: where it is.
        environ: further variables of their environment.
    """

    def __init__(self, node: Broker, folder: Path, url: str | None = None, **environ: str) -> None:
        self._node = node
        self._folder = folder
        self.ledger = folder / "ledger"
        self.queue = f"counted.{uuid4().hex}"
        self.env = {
            "BROKER_URL": url or node.host_url,
            "QUEUE": self.queue,
            "LEDGER": str(self.ledger),
            "PYTHONPATH": str(ROOT),
            **environ,
        }

    @contextmanager
    def running(self, *command: str, ready: str = "") -> Iterator[Process]:
        """Run a command until the end of the block. A test that fails shows its log."""
        log = self._folder / "log"
        process = Process(command[0], command, env=self.env, log=log, ready=ready)
        try:
            process.start(PATIENCE)
            yield process
        finally:
            process.kill()
            print(process.logs())  # noqa: T201 - pytest shows it where a test failed

    def run(self, function: str, **environ: str) -> None:
        """Run a function of the program, until it ends."""
        command = script(function)
        subprocess.run(
            command, env={**os.environ, **self.env, **environ}, timeout=PATIENCE, check=True
        )

    def wait_for(self, sent: int, timeout: float = PATIENCE) -> None:
        """Wait until so many commits have returned."""
        wait_until(lambda: noted_so_far(self.ledger, "sent") >= sent, timeout, f"{sent} commits")

    def assert_none_reported(self) -> None:
        """Assert that no message was reported yet: the broker is there."""
        assert noted_so_far(self.ledger, "failed") == 0

    def wait_for_fates(self, timeout: float = PATIENCE) -> None:
        """Wait until each message was told to be published, or was reported."""
        wait_until(lambda: not untold_so_far(self.ledger), timeout, "all fates are told")

    def counts(self) -> Counts:
        """Count what became of all messages, once the processes have ended."""
        found = counts(self.ledger, on_broker(self._node.host_url, self.queue))
        print(found)  # noqa: T201 - pytest shows it where a test failed
        return found


def script(function: str) -> Sequence[str]:
    """Return the command that runs a function of the program."""
    return [sys.executable, "-m", MODULE, function]


def end(process: Process, number: int = signal.SIGTERM, timeout: float = PATIENCE) -> None:
    """Send a process, and none of its children, a signal; wait until it has ended."""
    os.kill(process.pid, number)
    wait_until(lambda: not process.alive, timeout, f"{process.name} ends")


@contextmanager
def requested(port: int) -> Iterator[list[Exception]]:
    """Send requests to a server until the end of the block. The list is of those without an answer."""
    failures: list[Exception] = []
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(THREADS / RATE):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                if connection.getresponse().read() != b"committed":
                    raise ValueError("another answer")
            except Exception as error:  # noqa: BLE001 - whatever a server does to a request
                failures.append(error)
            finally:
                connection.close()

    threads = [threading.Thread(target=go_on) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
