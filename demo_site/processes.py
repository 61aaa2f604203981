"""Starting processes and leaving none behind, whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

#: The signals by which a person, a terminal or a supervisor stops the demo.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds in which a worker finishes the messages that it holds, and ends.
WARM = 10.0


class Failed(Exception):
    """The demo cannot go on; the message says why."""


class Processes:
    """Start processes in a block, and end all of them with the block.

    Each process has a session of its own. So Ctrl-C in the terminal reaches the demo alone,
    which then ends the processes in order, and a worker's children can be ended with it.

    Arguments:
        folder: the folder for their logs.
        grace: the seconds in which they may end by themselves when the block is left.
    """

    def __init__(self, folder: Path, *, grace: float) -> None:
        self.folder = folder
        self.grace = grace
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}
        self._begins: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with signals_held_back():
            if isinstance(error, SystemExit) and self._running:
                print("Stopping …", file=sys.stderr)
            self.stop(self.grace)

    def start(self, name: str, module: str, *arguments: str) -> None:
        """Run ``python -m module``, with its output in a log file.

        The process finds its name in the environment, as ``DEMO_PROCESS``.
        """
        self._commands[name] = [sys.executable, "-m", module, *arguments]
        self.log(name).unlink(missing_ok=True)
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start a process again, which has ended; its log goes on."""
        # A signal between the start and the append would leave the process running.
        with signals_held_back(), self.log(name).open("ab") as log:
            self._begins[name] = log.tell()
            self._running[name] = subprocess.Popen(
                self._commands[name],
                env={**os.environ, "DEMO_PROCESS": name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        return self._running[name].pid

    def has(self, name: str) -> bool:
        """Return whether a process was started here."""
        return name in self._running

    def has_ended(self, name: str) -> bool:
        """Return whether a process has ended by itself, or was killed."""
        return self._running[name].poll() is not None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, number)

    def stop_warmly(self, name: str) -> None:
        """Ask a process to end, and let it end what it does."""
        self._running[name].terminate()

    def log(self, name: str) -> Path:
        """Return the path of a process's log."""
        return self.folder / f"{name}.log"

    def output(self, name: str) -> str:
        """Return what a process has written since its last start."""
        with self.log(name).open("rb") as log:
            log.seek(self._begins[name])
            return log.read().decode(errors="replace")

    def wait_for(self, condition: Callable[[], bool], what: str, *, seconds: float) -> None:
        """Wait until the condition holds.

        Raises:
            Failed: the condition did not hold in time, or a process ended by itself.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise Failed(f"The {name} ended by itself, with code {process.returncode}.")
            if time.monotonic() > deadline:
                raise Failed(f"Waited {seconds:.0f} seconds in vain for {what}.")
            time.sleep(0.05)

    def stop(self, grace: float) -> None:
        """Ask every process to end, and kill those that do not."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + grace
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            # The whole session: a process that was killed leaves its children behind.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._running.clear()


def exit_on_signals() -> None:
    """Turn the first stop signal into a SystemExit, so that every ``with`` block is left."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in STOP_SIGNALS:
        signal.signal(number, leave)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold stop signals back until the block has ended."""
    arrived: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: arrived.append(number))
        for number in STOP_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
