"""The tutorial is followed, block by block, in an empty folder with a worker and a Redis of its own.

Shell blocks are run, files are written, and each line that the page shows of a command's output, or of the
worker's log, has to come. `...` stands for what differs from run to run. Environments are not made, and
nothing is installed: the tests' own environment has all of it.
"""

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.processes import Process, wait_until

from .nodes import LocalRedis, needs_local_broker

pytestmark = needs_local_broker

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FENCE = re.compile(
    r"^```(\w+)\n(.*?)^```$|^<!-- The worker is (stopped) here\. -->$", re.MULTILINE | re.DOTALL
)
BROKER = "redis://localhost:6379/0"
#: What is done before the test begins.
DONE = ("python -m venv", ". .venv/bin/activate", "pip install")
#: What a reader's environment does not have.
NOT_THE_TESTS = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")
#: Seconds that a line of the worker's may take: three attempts, or a relay's next look.
PATIENCE = 60


class Reader:
    """Somebody who follows the page in a folder, with a broker of their own."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self._broker = broker
        self._env = {key: value for key, value in os.environ.items() if key not in NOT_THE_TESTS}
        self._env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self._env['PATH']}"
        self._env |= {"COLUMNS": "80", "DJANGO_COLORS": "nocolor"}
        self._worker: Process | None = None
        self._seen = 0

    def sh(self, text: str) -> None:
        """Run each line."""
        for line in text.splitlines():
            if not line.startswith(DONE):
                self._run(line)

    def python(self, text: str) -> None:
        """Write a file, or the end of one."""
        head, _, code = text.partition("\n")
        name, _, where = head.removeprefix("# ").partition(", ")
        with (self.folder / name).open("a" if where else "w", encoding="utf-8") as file:
            file.write(code.replace(BROKER, self._broker))

    def console(self, text: str) -> None:
        """Run a command, and compare what it writes."""
        lines = text.removeprefix("$ ").splitlines()
        command = lines.pop(0)
        while command.count('"') % 2:
            command += f"\n{lines.pop(0)}"
        if command.startswith("celery"):
            self._start(command)
            self.text("\n".join(lines))
        else:
            expect(lines, self._run(command))

    def text(self, text: str) -> None:
        """Wait for lines of the worker's log."""
        assert self._worker is not None
        for line in text.splitlines():
            wait_until(partial(self._has_logged, pattern(line)), PATIENCE, f"log has {line!r}")

    def stopped(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.stop()

    def _start(self, command: str) -> None:
        self.stopped()
        log = self.folder / "worker.log"
        self._seen = len(log.read_text()) if log.exists() else 0
        unset = " ".join(f"-u {name}" for name in NOT_THE_TESTS)
        command = f"cd {shlex.quote(str(self.folder))} && exec env {unset} {command}"
        self._worker = Process(
            "worker", ["sh", "-c", command], log=log, ready=" ready.", env=self._env
        )
        self._worker.start()

    def _has_logged(self, wanted: re.Pattern[str]) -> bool:
        log = (self.folder / "worker.log").read_text()
        return bool(wanted.search(log, self._seen))

    def _run(self, command: str) -> str:
        """Run a command in a terminal, and return what it writes."""
        ours, its = pty.openpty()
        with os.fdopen(ours, "rb") as terminal:
            process = subprocess.Popen(
                ["sh", "-c", command],
                cwd=self.folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=its,
                stderr=its,
            )
            os.close(its)
            written = b""
            # A terminal whose other side is closed is an error to read.
            with suppress(OSError):
                while part := terminal.read1():
                    written += part
            code = process.wait()
        output = written.decode()
        assert code == 0, f"{command}\n{output}"
        return output


def pattern(line: str) -> re.Pattern[str]:
    """Return what a line of the page stands for, with any spaces between its words."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in line.split("...")]
    return re.compile(".*".join(parts))


def expect(lines: list[str], output: str) -> None:
    """Expect lines in what a command wrote, in their order."""
    place = 0
    for line in lines:
        found = pattern(line).search(output, place)
        assert found, f"{line!r} is not in\n{output}"
        place = found.end()


@pytest.fixture
def reader(tmp_path: Path, default_redis_broker: LocalRedis) -> Iterator[Reader]:
    found = Reader(tmp_path, default_redis_broker.host_url)
    yield found
    found.stopped()


def test_tutorial_leads_from_an_empty_folder_to_what_it_shows(reader: Reader) -> None:
    kinds = set()
    for fence in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
        kind, text = fence[1] or fence[3], fence[2] or ""
        kinds.add(kind)
        getattr(reader, kind)(*([text] if text else []))
    assert kinds == {"sh", "python", "console", "text", "stopped"}
