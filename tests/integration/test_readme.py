"""The README's way from an empty folder to a receipt, as a new user goes it: with the built package.

The commands are run as they stand there, and write what stands there. Only the address of the broker is
the test's, and the package comes from a wheel that is built of this checkout.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.test_blocks import ROOT
from tests.support.processes import Process, wait_until

from .nodes import Broker, LocalRedis, needs_local_broker

pytestmark = needs_local_broker

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

#: Commands that make the environment, for which the test has its own.
ENVIRONMENT = ("python -m venv", ". .venv", "pip install")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with the built package, Celery and a driver, and nothing of ours."""
    folder = tmp_path_factory.mktemp("readme")
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    python = folder / ".venv/bin/python"
    run(uv, "build", "--quiet", "--wheel", "--out-dir", folder / "dist")
    (wheel,) = (folder / "dist").glob("*.whl")
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / ".venv")
    run(uv, "pip", "install", "--quiet", "--python", python, wheel, "celery[redis]")
    return folder / ".venv"


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, cwd=ROOT, timeout=300)


class Reader:
    """Somebody who does what the README says.

    Arguments:
        folder: an empty one.
        environment: the virtual environment.
        broker: the broker.
    """

    def __init__(self, folder: Path, environment: Path, broker: Broker) -> None:
        self.folder = folder
        self._broker = broker
        self._env = {
            "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
            "HOME": str(folder),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "80",
            "DJANGO_SETTINGS_MODULE": "proj.settings",  # in place of the tests' own
        }
        self._last = ""
        self.worker: Process | None = None

    def write(self, block: str) -> None:
        """Write a file, or add to it."""
        head, _, text = block.partition("\n")
        path, _, how = head.removeprefix("# ").partition(", ")
        text = text.replace("redis://localhost:6379/0", self._broker.host_url)
        if how and not isinstance(self._broker, LocalRedis):
            text = re.sub(r"CELERY_BROKER_.*\n", "", text)
        with (self.folder / path).open("a" if how else "w") as file:
            file.write(text)
        if how and not isinstance(self._broker, LocalRedis) and self.worker is None:
            self.use_rabbitmq()
        if how and self.worker is not None:
            self.start_worker()
            self.run(self._last, "")

    def use_rabbitmq(self) -> None:
        """Choose the other broker, as the README says."""
        (block,) = (text for kind, text in BLOCK.findall(README) if "for RabbitMQ\n" in text)
        text = block.replace("amqp://guest:guest@localhost:5672//", self._broker.host_url)
        with (self.folder / "proj/settings.py").open("a") as file:
            file.write(text)

    def do(self, block: str) -> None:
        """Run commands, and compare what they write."""
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, told = part.partition("\n")
            if command.startswith("celery"):
                self.start_worker()
                for line in filter(None, told.splitlines()):
                    self.see(line.replace("celery@host", ""))
            elif not command.startswith(ENVIRONMENT):
                self.run(command, told)

    def run(self, command: str, told: str) -> None:
        """Run a command that ends."""
        done = subprocess.run(  # noqa: S602 - as the reader does
            command,
            shell=True,
            cwd=self.folder,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        if told:
            assert in_lines(done.stdout) == in_lines(told), command
        if "shell" in command:
            self._last = command

    def start_worker(self) -> None:
        """Run the worker, anew if one is running."""
        self.end()
        command = ("sh", "-c", f"cd {self.folder} && exec celery -A proj worker -l INFO")
        log = self.folder / "worker.log"
        self.worker = Process("worker", command, env=self._env, log=log, ready=" ready.")
        self.worker.start()

    def see(self, line: str) -> None:
        """Wait until the worker has written a line; ids and times differ."""
        worker = self.worker
        assert worker is not None
        wanted = alike(line).strip()
        wait_until(lambda: wanted in alike(worker.logs()), 30, repr(wanted))

    def end(self) -> None:
        if self.worker is not None:
            self.worker.kill()


def in_lines(text: str) -> list[str]:
    """Return the words of each line, without empty lines."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def alike(text: str) -> str:
    """Replace what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)
    return re.sub(r"\b\d+\.\d+ ?s\b", "0 s", text)


@contextmanager
def reader(folder: Path, environment: Path, broker: Broker) -> Iterator[Reader]:
    found = Reader(folder, environment, broker)
    try:
        yield found
    finally:
        found.end()


def test_new_user_gets_from_an_empty_folder_to_a_receipt(
    node: Broker, environment: Path, tmp_path: Path
) -> None:
    _, _, section = README.partition("\n## From an empty folder to a receipt\n")
    section, _, _ = section.partition("\n## ")
    top = next(text for kind, text in BLOCK.findall(README) if kind == "python")
    with reader(tmp_path, environment, node) as user:
        for kind, text in BLOCK.findall(section):
            if kind == "console":
                user.do(text)
            elif kind == "python":
                user.write(text)
                if text.startswith("# shop/models.py"):
                    user.write(top)
            else:
                for line in text.splitlines():
                    user.see(line)


def test_readme_is_short() -> None:
    assert len(README.split()) < 1500


def test_top_of_the_readme_is_code_and_how_to_install_it() -> None:
    first_screen = README.splitlines()[:26]
    assert any("deferred=True" in line for line in first_screen)
    assert any("pip install" in line for line in first_screen)
