"""A Redis with a replica, and a sentinel that promotes the replica when the master is gone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from tests.support.processes import Process, free_port, wait_until
from tests.support.services import require_program

#: The name under which sentinels know the master.
NAME = "broker"

#: The transport option without which kombu cannot ask a sentinel.
OPTIONS = {"master_name": NAME}

SENTINEL = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {name} 127.0.0.1 {master} 1
sentinel down-after-milliseconds {name} 500
sentinel failover-timeout {name} 3000
"""


class Watched:
    """A master with its replica and their sentinel.

    Attributes:
        master: the process of the first master.
        url: for Celery: a sentinel that is not there, and one that is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port() for _ in range(3)]
        self.url = ";".join(
            f"sentinel://127.0.0.1:{port}" for port in (free_port(), self._ports[2])
        )
        first, second, _ = self._ports
        self.master = self._redis("master", first)
        self._replica = self._redis("replica", second, "--replicaof", "127.0.0.1", str(first))
        self._sentinel = self._process(
            "sentinel", str(self._config()), "--sentinel", ready="+monitor"
        )

    def start(self) -> None:
        """Start all three, one after the other."""
        self.master.start()
        self._replica.start()
        with Redis(port=self._ports[1]) as replica:
            wait_until(lambda: _link(replica) == "up", 20, "the replica follows the master")
        self._sentinel.start()
        with Redis(port=self._ports[2], decode_responses=True) as sentinel:
            wait_until(lambda: bool(sentinel.sentinel_slaves(NAME)), 20, "the replica is known")

    def end(self) -> None:
        for process in (self._sentinel, self._replica, self.master):
            process.kill()

    def arrived(self, queue: str) -> list[str]:
        """Return the ids of the messages that the new master, a replica before, has in a queue."""
        with Redis(port=self._ports[1], decode_responses=True) as redis:
            assert redis.role()[0] == "master", "the replica was not promoted"
            found: Any = redis.lrange(queue, 0, -1)
        return [json.loads(text)["headers"]["id"] for text in found]

    def _redis(self, name: str, port: int, *more: str) -> Process:
        options = f"--port {port} --bind 127.0.0.1 --save  --repl-diskless-sync-delay 0".split(" ")
        return self._process(name, *options, *more, ready="Ready to accept connections")

    def _process(self, name: str, *arguments: str, ready: str) -> Process:
        command = [require_program("redis-server"), *arguments]
        if name != "sentinel":
            command += ["--dir", str(self._folder), "--dbfilename", f"{name}.rdb"]
        return Process(name, command, log=self._folder / f"{name}.log", ready=ready)

    def _config(self) -> Path:
        # A sentinel writes into its file.
        config = self._folder / "sentinel.conf"
        master, _, port = self._ports
        config.write_text(SENTINEL.format(port=port, folder=self._folder, name=NAME, master=master))
        return config


def _link(replica: Redis) -> object:
    state: Any = replica.info("replication")
    return state.get("master_link_status")


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Run a Redis that fails over, until the end of the block."""
    found = Watched(folder)
    try:
        found.start()
        yield found
    finally:
        found.end()
