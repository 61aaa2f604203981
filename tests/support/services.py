"""The services that tests need: their URLs, and what happens to a test whose service is absent.

On a developer's machine such a test is skipped, and says why. Where `CI=true` it fails: a build that
skips its tests would be green for the wrong reason.
"""

import os
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest


@dataclass(frozen=True, kw_only=True)
class Service:
    """A server at the URL that `variable` in the environment holds, or at its usual one."""

    name: str
    variable: str
    default: str

    @property
    def url(self) -> str:
        return os.environ.get(self.variable) or self.default

    @property
    def reachable(self) -> bool:
        return listens(self.url)

    def require(self) -> str:
        """Return the URL; skip or fail the test when nothing listens there."""
        if not self.reachable:
            absent(f"{self.name} does not answer; set {self.variable} to where it is.")
        return self.url


POSTGRES = Service(
    name="PostgreSQL",
    variable="POSTGRES_URL",
    default="postgres://postgres@127.0.0.1:5432/postgres",
)
MARIADB = Service(
    name="MariaDB", variable="MARIADB_URL", default="mysql://root@127.0.0.1:3306/mysql"
)
REDIS = Service(name="Redis", variable="REDIS_URL", default="redis://127.0.0.1:6379/0")
RABBITMQ = Service(
    name="RabbitMQ", variable="RABBITMQ_URL", default="amqp://guest:guest@127.0.0.1:5672//"
)


def listens(url: str) -> bool:
    """Tell whether a server accepts connections at `url`."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1):
            return True
    except OSError:
        return False


def require_program(*names: str) -> str:
    """Return the path of the first program that is installed; skip or fail otherwise."""
    for name in names:
        if path := shutil.which(name):
            return path
    return absent(f"{names[0]} is not installed.")


def absent(reason: str) -> NoReturn:
    """Skip the test, or fail it where `CI=true`."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_script(name: str) -> str:
    """Return the path of a program that is installed beside this Python; skip or fail otherwise."""
    path = Path(sys.executable).with_name(name)
    return str(path) if path.exists() else absent(f"{name} is not installed.")
