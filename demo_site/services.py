"""Which broker and which database the shop runs on, and whether they answer.

``BROKER_URL`` and ``DATABASE_URL`` are read here. `BadUrl` reports a wrong one in one line,
before anything is started.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error as DatabaseError
from kombu import Connection

#: Seconds to wait for a server that does not answer.
PATIENCE = 5


class BadUrl(ImproperlyConfigured):
    """A URL in the environment cannot be used."""


@dataclass(frozen=True)
class Driver:
    """What must be installed for a kind of URL."""

    module: str
    package: str


REDIS = Driver("redis", "celery[redis]")
AMQP = Driver("amqp", "celery")
POSTGRESQL = Driver("psycopg", "psycopg[binary]")
MARIADB = Driver("pymysql", "PyMySQL")

BROKERS = {"redis": REDIS, "rediss": REDIS, "amqp": AMQP, "amqps": AMQP}
DATABASES = {
    "sqlite": None,
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    "mysql": MARIADB,
    "mariadb": MARIADB,
}

# Django speaks to both through one back end; the library knows only the older name.
dj_database_url.register("mariadb", "django.db.backends.mysql")


def broker_settings() -> tuple[str, dict[str, Any]]:
    """Return URL and transport options of the broker that BROKER_URL names."""
    url = os.environ.get("BROKER_URL") or "redis://localhost:6379/0"
    scheme = _scheme("BROKER_URL", url, BROKERS)
    # Without these, a client waits for ever for a broker that accepts and then sends nothing.
    names = ("socket", "socket_connect") if BROKERS[scheme] is REDIS else ("read", "write")
    return url, {f"{name}_timeout": 30 for name in names}


def place_of(url: str) -> str:
    """Return a URL without user and password, for people."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def database_settings(file: Path) -> dict[str, Any]:
    """Return an entry of DATABASES: the one of DATABASE_URL, else a SQLite ``file``."""
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{file}"
    scheme = _scheme("DATABASE_URL", url, DATABASES)
    try:
        settings: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError as error:
        raise BadUrl(f"DATABASE_URL: {error}") from error
    options = settings.setdefault("OPTIONS", {})
    if scheme == "sqlite":
        # Site and worker share one file: writers take turns, readers never wait.
        options.setdefault("timeout", 20)
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("init_command", "PRAGMA journal_mode=WAL")
    else:
        options.setdefault("connect_timeout", PATIENCE)
    if DATABASES[scheme] is MARIADB:
        import pymysql  # noqa: PLC0415  # only MariaDB needs it

        # Django asks for mysqlclient, which wants a C compiler and MariaDB's headers. PyMySQL is
        # pure Python, answers to the same name and reports a version that Django accepts.
        pymysql.install_as_MySQLdb()
        # Its connect_timeout does not cover a server that accepts and then sends nothing.
        options.setdefault("read_timeout", 3 * PATIENCE)
    return settings


def check_broker(url: str) -> None:
    """Raise `BadUrl` unless a broker answers at ``url``."""
    scheme = urlsplit(url).scheme
    redis = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    try:
        with Connection(
            url,
            connect_timeout=PATIENCE,
            transport_options=redis if BROKERS[scheme] is REDIS else {},
        ) as connection:
            connection.connect()
    except Exception as error:  # each broker's driver raises errors of its own
        place = urlsplit(url).netloc.rpartition("@")[2]
        raise BadUrl(f"BROKER_URL: cannot use the broker at {place}: {_line(error)}") from error


def check_database() -> None:
    """Raise `BadUrl` unless the database of the settings can be used."""
    connection = connections[DEFAULT_DB_ALIAS]
    name, host, port = (connection.settings_dict[key] for key in ("NAME", "HOST", "PORT"))
    place = f"{name} on {host}:{port}" if host else name
    try:
        connection.ensure_connection()
    except (DatabaseError, ImproperlyConfigured) as error:
        raise BadUrl(f"DATABASE_URL: cannot use the database {place}: {_line(error)}") from error


def _scheme(variable: str, url: str, known: Mapping[str, Driver | None]) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in known:
        names = ", ".join(f"{name}://" for name in known)
        # The URL itself is not shown: it may hold a password.
        raise BadUrl(f"{variable}: unknown scheme {scheme[:20]!r}. Use one of {names}.")
    driver = known[scheme]
    if driver is not None and find_spec(driver.module) is None:
        raise BadUrl(
            f"{variable}: {scheme}:// needs a driver that is not installed: pip install '{driver.package}'"
        )
    return scheme


def _line(error: BaseException) -> str:
    """Write an error's text on one line; drivers use several."""
    return " ".join(str(error).split()) or type(error).__name__
