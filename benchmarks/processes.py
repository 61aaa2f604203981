"""Workers and relays that a benchmark starts and ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Program", "program"]

#: Seconds that a program may take for its work, and then to end.
PATIENCE, GRACE = 300.0, 20.0


class Program:
    """A running program."""

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._process = process
        self._output = output

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds.

        Raises:
            SystemExit: the condition did not hold in time, or the program ended; with its output.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._output.seek(0)
                raise SystemExit(f"It did not do its work:\n{self._output.read().decode()}")
            time.sleep(0.001)


@contextmanager
def program(module: str, *arguments: str, **environment: str) -> Iterator[Program]:
    """Run ``python -m module`` until the end of the block."""
    with TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Program(process, output)
        finally:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
