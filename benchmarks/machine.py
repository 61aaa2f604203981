"""The machine, the versions and the load that a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from kombu import Connection

from benchmarks.services import POSTGRES, RABBITMQ, REDIS

__all__ = ["machine"]

PACKAGES = ("Django", "celery", "kombu", "redis", "amqp", "psycopg")


def machine() -> str:
    """Tell in one line where and with what a measurement was made."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    servers = ", ".join(
        f"{service.name} {found()} on {urlsplit(service.url).hostname}"
        for service, found in ((REDIS, _redis), (RABBITMQ, _rabbitmq), (POSTGRES, _postgres))
    )
    return (
        f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; "
        f"{platform.system()}, Python {platform.python_version()}, {packages}; {servers}."
    )


def _processor() -> str:
    """Return the processor's name as Linux gives it; elsewhere its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _redis() -> str:
    with redis.Redis.from_url(REDIS.url) as client:
        info: dict[str, str] = client.info("server")
    return info["redis_version"]


def _rabbitmq() -> str:
    with Connection(RABBITMQ.url) as connection:
        connection.connect()
        return str(connection.connection.server_properties["version"])


def _postgres() -> str:
    with psycopg.connect(POSTGRES.url) as connection:
        return connection.info.parameter_status("server_version") or "?"
