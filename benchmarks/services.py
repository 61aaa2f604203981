"""The services that benchmarks use: their URLs, and whether they answer."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["MARIADB", "POSTGRES", "RABBITMQ", "REDIS", "Service"]


@dataclass(frozen=True)
class Service:
    """A server at the URL that a variable in the environment holds, or at its usual one."""

    name: str
    variable: str
    usual: str

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        return os.environ.get(self.variable) or self.usual

    @property
    def answers(self) -> bool:
        """Tell whether the server accepts a connection."""
        parts = urlsplit(self.url)
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1):
                return True
        except OSError:
            return False


POSTGRES = Service("PostgreSQL", "POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
MARIADB = Service("MariaDB", "MARIADB_URL", "mysql://root@127.0.0.1:3306/test")
RABBITMQ = Service("RabbitMQ", "RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
#: A database of its own: others may have queues in the first one.
REDIS = Service("Redis", "REDIS_URL", "redis://127.0.0.1:6379/9")
