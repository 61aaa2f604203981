"""Collects these tests only where `TRACER` names a tracer, as its patches would affect other tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Process, free_port
from tests.support.services import require_program

collect_ignore_glob = ["[!t]*.py"] if os.environ.get("TRACER") else ["*.py"]

#: The checkout, where programs are started.
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis: kombu sends it what belongs together in one write."""
    port = free_port()
    command = f"redis-server --bind 127.0.0.1 --port {port} --appendonly no --save".split()
    folder = tmp_path_factory.mktemp("redis")
    process = Process(
        "redis",
        [require_program(command[0]), *command[1:], "", "--dir", str(folder)],
        log=folder / "log",
        ready="Ready to accept connections",
    )
    try:
        process.start()
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.kill()
