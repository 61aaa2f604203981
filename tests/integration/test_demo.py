"""The demo as a newcomer starts it: its exit code, what it prints, and what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

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


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments, **environment))
        return demos[-1]

    yield start
    for started in demos:
        for pid in started.family():
            os.kill(pid, signal.SIGKILL)
        started.process.wait()


def test_demo_shows_what_it_promises_and_leaves_nothing(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    run = demo()
    assert run.end() == 0, run.output
    assert "not so" not in run.output
    assert "no deferred receiver ran for the order that was rolled back" in run.output
    lines = run.output.splitlines()
    assert any("rolled back" in line and "site" in line and "kettle" in line for line in lines)
    assert not any("worker" in line and "kettle" in line for line in lines)
    attempts = [
        re.findall(r"\d+", line)[-1]
        for line in lines
        if "send_confirmation:" in line and "teapot" in line
    ]
    assert attempts == ["1", "2", "3"]
    assert run.family() == []
    assert list((tmp_path / "var").iterdir()) == []


def test_demo_that_is_stopped_in_the_middle_leaves_no_process(demo: Callable[..., Demo]) -> None:
    run = demo()
    run.wait_for("Order a teapot")
    assert run.family("celery")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 128 + signal.SIGINT
    assert run.family() == []


def test_demo_whose_worker_dies_fails_with_the_log_of_the_worker(
    demo: Callable[..., Demo],
) -> None:
    run = demo()
    run.wait_for("Log in")
    os.kill(min(run.family("celery")), signal.SIGKILL)
    assert run.end() == 1
    assert "The worker ended by itself" in run.output
    assert re.search(r"the end of .*worker\.log", run.output)
    assert run.family() == []


def test_served_shop_stays_until_ctrl_c(demo: Callable[..., Demo]) -> None:
    run = demo("--serve")
    run.wait_for("Ctrl-C stops the shop")
    address = re.search(r"http://[\d.:]+", run.output)
    assert address
    assert "The tea shop" in httpx.get(f"{address[0]}/", trust_env=False).text
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 0
    assert run.family() == []


@pytest.mark.parametrize(
    ("variable", "url", "words"),
    [
        ("BROKER_URL", "rabbit://localhost", "unknown scheme 'rabbit'"),
        ("BROKER_URL", "redis://:hush@127.0.0.1:1/0", "cannot use the broker at 127.0.0.1:1"),
        ("DATABASE_URL", "shop.sqlite3", "unknown scheme"),
        ("DATABASE_URL", "postgres://ada:hush@127.0.0.1:1/shop", "cannot use the database shop"),
        ("DATABASE_URL", "mariadb://ada:hush@127.0.0.1:1/shop", "cannot use the database shop"),
    ],
)
def test_wrong_url_is_told_in_one_line(
    demo: Callable[..., Demo], variable: str, url: str, words: str
) -> None:
    run = demo(**{variable: url})
    assert run.end() == 2
    [line] = run.output.splitlines()
    assert line.startswith(f"{variable}: ")
    assert words in line
    assert "hush" not in line
