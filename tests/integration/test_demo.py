"""The demo as a newcomer starts it: its exit code, what it prints, and what it leaves behind."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.demo import Demo


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        demos.append(Demo(tmp_path, *arguments, **environment))
        return demos[-1]

    yield start
    for started in demos:
        started.kill()


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
        if "send_receipt:" in line and "teapot" in line
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
    run = demo("--serve", "--port", "0")
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
