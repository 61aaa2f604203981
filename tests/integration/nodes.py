"""Nodes for pytest-celery that are local processes, for machines without a Docker engine."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue
from pytest_celery import CeleryWorkerContainer, RabbitMQContainer, RedisContainer

from tests.support.processes import Process, wait_until

from .kept_workers import end_kept_worker

#: Whether the brokers are containers of Docker.
DOCKER = os.environ.get("DEFERRED_SIGNALS_TEST_NODES") == "docker"

#: The mark of tests that need a local broker, for a user of its own or to kill it.
needs_local_broker = pytest.mark.skipif(DOCKER, reason="this test starts its own local broker")


class LocalNode:
    """Answer what pytest-celery asks of a container, for a process.

    This class stands before one of the plugin's container classes among the bases, so that the
    constructor of the Docker wrapper is never called.
    """

    def __init__(self, process: Process, port: int | None = None) -> None:
        self.process = process
        self._port = port

    @property
    def id(self) -> str:
        return self.process.name

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def status(self) -> str:
        return "running" if self.process.alive else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Config": {"Hostname": f"127.0.0.1:{self._port}"}}

    @property
    def port(self) -> int | None:
        return self._port

    def logs(self) -> str:
        return self.process.logs()

    def ready(self) -> bool:
        return self.process.ready

    def reload(self) -> None:
        """Do nothing: a process has no remembered state that could be stale."""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        self.process.signal(signal_number(signal))
        if signal_number(signal) in DEADLY:
            wait_until(lambda: not self.process.alive, 30, f"{self.name} ends")

    def restart(self, timeout: float = 10) -> None:
        self.process.stop(timeout)
        self.process.start()

    def teardown(self) -> None:
        """Do nothing: the fixture that made the process ends it."""


class LocalRedis(LocalNode, RedisContainer):  # type: ignore[misc]
    """A Redis server."""

    @property
    def host_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @contextmanager
    def only_for(self, *names: str) -> Iterator[str]:
        """Give the URL of a user who may touch only keys that begin so, until the end of the block."""
        keys = [f"~{name}*" for name in names]
        with self.client as client:
            client.execute_command(
                "ACL", "SETUSER", "limited", "on", ">secret", "+@all", "&*", *keys
            )
            try:
                yield f"redis://limited:secret@127.0.0.1:{self.port}/0"
            finally:
                client.execute_command("ACL", "DELUSER", "limited")

    def clean(self) -> None:
        """Drop the messages of the test before, and end the worker that stayed from it."""
        end_kept_worker(self.host_url)
        with self.client as client:
            client.flushall()

    def lose_everything(self) -> None:
        """Be killed, and start again: it keeps nothing on disk."""
        self.kill()
        self.process.start()


class LocalRabbitMQ(LocalNode, RabbitMQContainer):  # type: ignore[misc]
    """A RabbitMQ server.

    Attributes:
        control: runs ``rabbitmqctl`` with some arguments.
        data: the folder with all that the server keeps on disk.
    """

    def __init__(
        self, process: Process, port: int, control: Callable[..., object], data: Path
    ) -> None:
        super().__init__(process, port)
        self.control = control
        self.data = data

    @property
    def host_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Make the broker take no messages, as when its memory runs out, until the end of the block.

        The broker still delivers the messages that it has. A start ends the block's effect, too.
        """
        try:
            self.control("set_vm_memory_high_watermark", "0")
            yield
        finally:
            if self.process.alive:
                self.control("set_vm_memory_high_watermark", "0.4")

    @contextmanager
    def only_for(self, *names: str, topics: str = "") -> Iterator[str]:
        """Give the URL of a user who may touch only what begins so, until the end of the block.

        Arguments:
            names: of queues and exchanges.
            topics: how topics begin to which the user may publish at ``amq.topic``.
        """
        allowed = f"^({'|'.join(names)}).*$"
        self.control("add_user", "limited", "secret")
        try:
            self.control("set_permissions", "limited", allowed, allowed, allowed)
            if topics:
                self.control("set_topic_permissions", "limited", "amq.topic", f"^{topics}", "")
            yield f"amqp://limited:secret@127.0.0.1:{self.port}//"
        finally:
            self.control("delete_user", "limited")

    def clean(self, *queues: str) -> None:
        """Drop the messages of the test before, and end the worker that stayed from it."""
        end_kept_worker(self.host_url)
        with Connection(self.host_url) as connection:
            for queue in queues:
                Queue(queue, channel=connection.default_channel).delete()

    def lose_everything(self) -> None:
        """Be killed, and start again without what it kept on disk."""
        self.kill()
        shutil.rmtree(self.data)
        self.process.start(timeout=60)


class LocalWorker(LocalNode, CeleryWorkerContainer):  # type: ignore[misc]
    """A Celery worker with its pool."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self._of_this_test = 0

    def forget_logs(self) -> None:
        """Forget what the worker logged for other tests."""
        self._of_this_test = len(self.process.logs())

    def logs(self) -> str:
        """Return what the worker logged since the test began, or since it started."""
        return self.process.logs()[self._of_this_test :]


DEADLY = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def signal_number(name: str | int) -> int:
    """Return the number of a signal that is given by name or number."""
    return signal.Signals[name] if isinstance(name, str) else name


Broker = LocalRedis | LocalRabbitMQ
