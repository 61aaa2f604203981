"""``python -m benchmarks.network PORT URL SECONDS``: a network on which each way takes its time.

A proxy in a process of its own: what it costs to forward bytes must not be taken from the threads
that are measured. Bytes are delayed, not their flow: what is sent together arrives together.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from benchmarks.processes import program

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["slow_network"]

#: Ports of services whose URL names none.
PORTS = {"amqp": 5672, "redis": 6379}

#: Seconds in which the proxy must be there.
PATIENCE = 20.0


@contextmanager
def slow_network(url: str, round_trip: float) -> Iterator[str]:
    """Give a URL by which a service is reached over a network with this round trip, in seconds."""
    port = _free_port()
    with program("benchmarks.network", str(port), url, str(round_trip / 2)):
        _wait_for(port)
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        yield urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float
) -> None:
    """Write what is read, each piece when its time has come."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)


async def _serve(port: int, url: str, delay: float) -> None:
    parts = urlsplit(url)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = parts.hostname or "", parts.port or PORTS[parts.scheme]
        their_reader, their_writer = await asyncio.open_connection(*there)
        with suppress(OSError):
            await asyncio.gather(
                _forward(reader, their_writer, delay), _forward(their_reader, writer, delay)
            )

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
