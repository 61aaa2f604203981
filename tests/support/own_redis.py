"""`broker_url`: a Redis of a module's own, for workers that nobody else is to take messages from."""

from collections.abc import Iterator

import pytest

from tests.support.processes import Process, free_port
from tests.support.services import require_program


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis, and give its URL."""
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
