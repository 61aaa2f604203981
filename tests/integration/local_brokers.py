"""Fixtures: a Redis and a RabbitMQ for the session, empty at the start of each test."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.celery import app
from tests.support.processes import Process, free_port
from tests.support.services import require_program

from .kept_workers import kept_worker
from .nodes import LocalRabbitMQ, LocalRedis


def revive(process: Process) -> None:
    """Bring back a broker that the test before killed or froze."""
    if process.alive:
        process.signal(signal.SIGCONT)
    else:
        process.start()


@pytest.fixture(scope="session")
def redis_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRedis]:
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    options = f"--port {port} --bind 127.0.0.1 --dir {folder} --appendonly no".split()
    process = Process(
        "redis",
        [require_program("redis-server"), *options, "--save", ""],
        log=folder / "log",
        ready="Ready to accept connections",
    )
    try:
        process.start()
        yield LocalRedis(process, port)
    finally:
        process.kill()


@pytest.fixture(scope="session")
def rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRabbitMQ]:
    port, epmd_port = free_port(), free_port()
    folder = tmp_path_factory.mktemp("rabbitmq")
    (folder / "enabled_plugins").write_text("[].\n")
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.default = 127.0.0.1:{port}\n")
    (folder / "rabbitmq-env.conf").touch()
    env = {
        "ERL_EPMD_PORT": str(epmd_port),
        "HOME": str(folder),
        # The configuration in /etc is for the machine's own server.
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_NODENAME": f"deferred_signals_{port}@localhost",
    }
    # If no epmd (Erlang's registry of names) runs, RabbitMQ starts one as a daemon that would stay.
    epmd = Process(
        "epmd",
        [require_program("epmd"), "-d", "-port", str(epmd_port)],
        log=folder / "epmd.log",
        ready="epmd running",
    )
    process = Process(
        "rabbitmq",
        [rabbitmq_script("rabbitmq-server")],
        env=env,
        log=folder / "log",
        ready="Server startup complete",
    )

    def control(*arguments: str) -> None:
        command = [rabbitmq_script("rabbitmqctl"), *arguments]
        subprocess.run(command, env={**os.environ, **env}, check=True, timeout=60)

    try:
        epmd.start()
        process.start(timeout=60)
        yield LocalRabbitMQ(process, port, control, folder / "mnesia")
    finally:
        process.kill()
        epmd.kill()


def rabbitmq_script(name: str) -> str:
    """Return the server's own script: the one that Debian puts on PATH changes the user first."""
    scripts = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"rabbitmq_server-*/sbin/{name}"))
    return str(scripts[-1]) if scripts else require_program(name)


@pytest.fixture
def default_redis_broker(redis_node: LocalRedis) -> LocalRedis:
    revive(redis_node.process)
    if not kept_worker(redis_node.host_url):
        redis_node.clean()
    return redis_node


@pytest.fixture
def default_rabbitmq_broker(rabbitmq_node: LocalRabbitMQ) -> LocalRabbitMQ:
    revive(rabbitmq_node.process)
    if not kept_worker(rabbitmq_node.host_url):
        rabbitmq_node.clean(*app.amqp.queues)
    return rabbitmq_node
