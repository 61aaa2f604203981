"""Turns database URLs into Django's settings and back; a worker of a test gets its database by URL."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgres": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
}

# Two processes write to one SQLite file in the tests. A transaction that takes its lock at its
# first write fails when another one wrote meanwhile; one that takes it at once waits its turn.
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}


def use_any_driver() -> None:
    """Let PyMySQL be Django's driver for MariaDB, where mysqlclient is not installed."""
    if find_spec("MySQLdb") is None:
        import pymysql  # noqa: PLC0415 - see above

        pymysql.install_as_MySQLdb()


def database_settings(url: str) -> dict[str, Any]:
    """Return the entry of `DATABASES` for `url`, e.g. `postgres://user:password@host:5432/name`."""
    parts = urlsplit(url)
    settings: dict[str, Any] = {
        "ENGINE": ENGINES[parts.scheme],
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }
    # Two test runs at the same time must not share, and so drop, each other's database.
    test_name = f"test_deferred_signals_{os.getpid()}"
    if parts.scheme == "mysql":
        use_any_driver()
    if parts.scheme == "sqlite":
        settings["OPTIONS"] = SQLITE_OPTIONS
        # A file, as no other process sees a database in memory.
        test_name = str(Path(settings["NAME"]).with_name(f"{test_name}_{Path(parts.path).name}"))
    return {**settings, "TEST": {"NAME": test_name}}


def database_url(settings: dict[str, Any]) -> str:
    """Return the URL that `database_settings` reads as `settings`."""
    scheme = next(scheme for scheme, engine in ENGINES.items() if engine == settings["ENGINE"])
    user = quote(settings["USER"], safe="")
    password = f":{quote(settings['PASSWORD'], safe='')}" if settings["PASSWORD"] else ""
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    at = "@" if user else ""
    return f"{scheme}://{user}{password}{at}{settings['HOST']}{port}/{quote(str(settings['NAME']))}"
