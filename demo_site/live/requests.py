"""What the page asks of the runner, which started the processes, and what the runner tells of them.

Both are files in the demo's folder, so that they outlive the process that is killed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from django.conf import settings

What = Literal["kill-worker", "pause-broker", "resume-broker", "restart-worker"]
State = Literal["running", "paused", "starting"]


@dataclass(frozen=True)
class Request:
    """One thing that the runner is asked for, perhaps in the middle of an order."""

    what: What
    order: str | None = None


@dataclass(frozen=True)
class Shown:
    """A process, as the page shows it."""

    name: str
    pid: int | None
    state: State = "running"


class Inbox:
    """Read what is asked for from now on."""

    def __init__(self) -> None:
        _asked().unlink(missing_ok=True)
        self._read = 0

    def new(self) -> list[Request]:
        """Return what was asked for since the last call."""
        try:
            lines = _asked().read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        whole = [line for line in lines[self._read :] if line.endswith("\n")]
        self._read += len(whole)
        return [Request(**json.loads(line)) for line in whole]


def ask(request: Request) -> None:
    """Ask the runner for something."""
    with _asked().open("a") as file:
        file.write(json.dumps(asdict(request)) + "\n")


def tell(processes: list[Shown]) -> None:
    """Say how the processes are."""
    new = _processes().with_suffix(".new")
    new.write_text(json.dumps([asdict(process) for process in processes]))
    new.replace(_processes())


def told() -> list[Shown]:
    """Return how the processes are; nothing where no runner has started them."""
    try:
        return [Shown(**process) for process in json.loads(_processes().read_text())]
    except FileNotFoundError:
        return []


def _asked() -> Path:
    return Path(settings.VAR) / "asked.jsonl"


def _processes() -> Path:
    return Path(settings.VAR) / "processes.json"
