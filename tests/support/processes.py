"""`Process`: a server or worker as a local process, which can be killed with all its children."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Process:
    """Run a command in a session of its own, so that one signal reaches its children too.

    The log is kept over restarts, like a container's.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        ready: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.ready_prompt = ready
        self._command = list(command)
        self._env = {**os.environ, **(env or {})}
        self._log = log
        self._log_start = 0
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started.")
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return what the process ended with; None while it runs."""
        return None if self._popen is None else self._popen.poll()

    @property
    def ready(self) -> bool:
        """Tell whether the process has logged its prompt since its last start."""
        return self.ready_prompt in self.logs()[self._log_start :]

    def logs(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, timeout: float = 30) -> None:
        """Start the process, and wait until it is ready."""
        self._log_start = len(self.logs())
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: self.ready or not self.alive, timeout, f"{self.name} is up")
        if not self.alive:
            raise RuntimeError(f"{self.name} ended while it started:\n{self.logs()[-2000:]}")

    def signal(self, number: int) -> None:
        """Send a signal to the process and all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End the process and all its children; harmless when they are dead or never started."""
        if self._popen is not None:
            self.signal(signal.SIGKILL)
            self._popen.wait()

    def stop(self, timeout: float = 10) -> None:
        """Ask the process to end; kill it if it does not within `timeout`."""
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.alive, timeout, f"{self.name} stops")
        self.kill()


#: How many times longer tests wait with `CHAOS`, where they send many times more.
PATIENCE = 8 if os.environ.get("CHAOS") else 1


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Return as soon as `condition()` holds; raise TimeoutError if it never does.

    Arguments:
        condition: is asked again and again.
        timeout: seconds, which are `PATIENCE` times as many with `CHAOS`.
        what: what is waited for, in words.
    """
    timeout *= PATIENCE
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout} s in vain: {what}.")
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
