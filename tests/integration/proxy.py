"""A proxy in front of a broker, with network faults that a test turns on."""

import contextlib
import socket
import struct
import threading
import time
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Forward connections at `url` to a broker, until a fault is set.

    Attributes:
        silent: whether connections are accepted, and nothing is answered any more.
        delay: seconds by which each reply is late.
        cut_after: how many more bytes of the client pass before connections are cut; None: all.
        reset_after: how many more bytes of the client pass before its connection is reset (RST), and
            not closed (FIN). That happens once; then this is None.
        resets: how often that happened.
        drip: seconds between two bytes of a reply; 0: replies come as a whole.
    """

    def __init__(self, url: str) -> None:
        self.silent = False
        self.delay = 0.0
        self.cut_after: int | None = None
        self.reset_after: int | None = None
        self.resets = 0
        self.drip = 0.0
        self._flows = threading.Event()
        self._flows.set()
        parts = urlsplit(url)
        self._target = parts.hostname or "", parts.port or 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._server]
        #: Clients' connections that the proxy has forgotten, and whether their next bytes cause an RST.
        self._forgotten: dict[socket.socket, bool] = {}
        self._clients: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = False
        host = f"127.0.0.1:{self._server.getsockname()[1]}"
        login = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{login}@{host}" if login else host))

    @property
    def host_url(self) -> str:
        """Return the proxy's own URL, by the name that a broker's has."""
        return self.url

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stand_still(self) -> None:
        """Hold back all bytes, as a broker does that is busy with something else."""
        self._flows.clear()

    def go_on(self) -> None:
        """Let bytes pass again, those first that were held back."""
        self._flows.set()

    def reset(self) -> None:
        """Reset all connections at once, as a balancer does with idle ones; new ones are accepted."""
        for client in self._known_clients():
            self._forgotten[client] = True
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RD)  # wakes the thread that reads, and sends nothing

    def forget(self, *, silently: bool) -> None:
        """Forget all connections without a word; new ones are accepted.

        Arguments:
            silently: swallow what comes over them, as a firewall does. Otherwise the next bytes are
                answered with an RST, as a machine does that was restarted.
        """
        for client in self._known_clients():
            self._forgotten[client] = not silently

    def _known_clients(self) -> list[socket.socket]:
        with self._lock:
            return [client for client in self._clients if client not in self._forgotten]

    def go_away(self) -> None:
        """Cut all connections, and refuse new ones."""
        with self._lock:
            gone, self._sockets = self._sockets, []
        for one in gone:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def come_back(self) -> None:
        """Accept connections again, at the same address."""
        port = int(self.url.rpartition(":")[2].partition("/")[0])
        self._server = self._keep(socket.create_server(("127.0.0.1", port)))
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._ended = True
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._keep(self._server.accept()[0])
                if not self.silent:
                    try:
                        server = self._keep(socket.create_connection(self._target))
                    except ConnectionRefusedError:  # the broker is away
                        client.close()
                        continue
                    self._clients.append(client)
                    for function in (self._upwards, self._downwards):
                        threading.Thread(
                            target=function, args=(client, server), daemon=True
                        ).start()

    def _keep(self, one: socket.socket) -> socket.socket:
        with self._lock:
            if not self._ended:
                self._sockets.append(one)
                return one
        one.close()
        raise OSError("the proxy is no more")

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(4096):
                if client in self._forgotten:
                    if self._forgotten[client]:
                        break
                    continue
                if self.reset_after is not None and (left := self.reset_after - len(data)) < 0:
                    self.reset_after = None
                    self.resets += 1
                    self._forgotten[client] = True
                    server.sendall(data[:left])
                    break
                if self.reset_after is not None:
                    self.reset_after = left
                if self.cut_after is not None:
                    data = data[: self.cut_after]
                    self.cut_after -= len(data)
                self._flows.wait()
                if not self.silent:
                    server.sendall(data)
                if self.cut_after == 0:
                    break
        self._end(client, server)

    def _downwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(4096):
                time.sleep(self.delay)
                self._flows.wait()
                if self.silent or client in self._forgotten:
                    continue
                for piece in [data] if not self.drip else [bytes([byte]) for byte in data]:
                    client.sendall(piece)
                    time.sleep(self.drip)
        self._end(client, server)

    def _end(self, client: socket.socket, server: socket.socket) -> None:
        if self._forgotten.get(client):  # what is closed without lingering is reset
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
