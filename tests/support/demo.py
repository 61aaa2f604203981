"""`Demo`: one run of the demo, as a newcomer starts it, and the processes that it has started."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
#: What would put the demo on other services, or on the project of the tests.
FOREIGN = {"BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}


class Demo:
    """One run of the demo, found again in its processes by a mark in their environment."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.mark = f"DEMO_MARK={uuid.uuid4()}"
        self._output = folder / "output"
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        name, _, value = self.mark.partition("=")
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo_site.run", *arguments],
                cwd=ROOT,
                env={**kept, "DEMO_VAR": str(folder / "var"), name: value, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        """Return when it said `text`."""
        wait_until(lambda: text in self.output or self.ended, 60, f"{text!r} in {self.output}")
        assert text in self.output

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(60)

    def kill(self) -> None:
        """End all that is left of it."""
        for pid in self.family():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def family(self, command: str = "") -> list[int]:
        """Return the ids of the demo's living processes with `command` in their command line."""
        return [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if self.mark in _words(folder / "environ")
            and command in " ".join(_words(folder / "cmdline"))
        ]


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").split("\0")
    except OSError:  # ended meanwhile, or somebody else's
        return []
