"""The outbox's own connections: one for each database in each process, mended after any error."""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection as djangos
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from deferred_signals.outbox import store as store_module
from deferred_signals.outbox.store import Store

from .rows import database_away

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

only_servers = pytest.mark.skipif(
    djangos.vendor == "sqlite", reason="a file has no session that could end"
)


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store()
    yield found
    found.close()


def ask(connection: BaseDatabaseWrapper, statement: str = "SELECT 1") -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_connection_is_the_stores_own_and_kept(store: Store) -> None:
    with store.connection("default") as first:
        assert ask(first) == 1
        assert first is not connections["default"]
        assert first.settings_dict["NAME"] == connections["default"].settings_dict["NAME"]
    connections.close_all()  # as Celery does around each task
    with store.connection("default") as second:
        assert second is first
        assert second.connection is not None
    with store.connection("other") as other:
        assert other.alias == "other"


def test_connection_is_new_after_any_error(store: Store) -> None:
    for error in (ValueError(), KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(error)), store.connection("default") as broken:
            ask(broken)
            raise error
        with store.connection("default") as mended:
            assert mended is not broken
            assert ask(mended) == 1
        assert broken.connection is None


def test_connection_works_when_its_database_is_back(store: Store) -> None:
    with database_away(), pytest.raises(Exception, match=r"."), store.connection("default") as away:
        ask(away)
    with store.connection("default") as back:
        assert ask(back) == 1


@pytest.fixture
def odd_settings() -> Iterator[None]:
    """Let the database have settings that its own code may want, and that no claim can bear."""
    settings: dict[str, Any] = connections.settings["default"]
    present = settings["OPTIONS"], settings["AUTOCOMMIT"]
    level = {"isolation_level": "serializable"} if djangos.vendor == "mysql" else {}
    settings["OPTIONS"] = {**settings["OPTIONS"], "pool": {"min_size": 1}, **level}
    settings["AUTOCOMMIT"] = False
    yield
    settings["OPTIONS"], settings["AUTOCOMMIT"] = present


@pytest.mark.usefixtures("odd_settings")
def test_connection_has_no_pool_and_commits_by_itself(store: Store) -> None:
    with store.connection("default") as own:
        assert ask(own) == 1
        assert own.get_autocommit()
        assert own.settings_dict["OPTIONS"].keys().isdisjoint({"pool", "isolation_level"})
    assert connections.settings["default"]["OPTIONS"]["pool"] == {"min_size": 1}
    assert connections.settings["default"]["AUTOCOMMIT"] is False


def session_of(connection: BaseDatabaseWrapper) -> int:
    is_postgres = connection.vendor == "postgresql"
    return int(ask(connection, f"SELECT {'pg_backend_pid' if is_postgres else 'connection_id'}()"))


def end_session(session: int) -> None:
    with djangos.cursor() as cursor:
        if djangos.vendor == "postgresql":
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [session])
        else:
            cursor.execute(f"KILL {session}")
            time.sleep(0.1)  # it is ended soon


@only_servers
def test_connection_is_proved_when_it_was_idle(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "IDLE", 0.0)
    with store.connection("default") as idle:
        session = session_of(idle)
    end_session(session)
    with store.connection("default") as proved:
        assert session_of(proved) != session


@only_servers
def test_session_that_ended_is_an_error_once(store: Store) -> None:
    with store.connection("default") as busy:
        session = session_of(busy)
    end_session(session)
    with pytest.raises(Exception, match=r"."), store.connection("default") as broken:
        ask(broken)
    with store.connection("default") as mended:
        assert ask(mended) == 1


def test_threads_use_a_connection_one_after_another(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def use() -> None:
        for _ in range(20):
            with store.connection("default") as own:
                inside.append(1)
                most.append(len(inside))
                assert ask(own) == 1
                inside.pop()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 80
    assert max(most) == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_has_a_connection_of_its_own_and_harms_not_its_parents(store: Store) -> None:
    with store.connection("default") as ours:
        session = ask(ours) if ours.vendor == "sqlite" else session_of(ours)
    for _ in range(2):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            told = b"failed"
            try:
                with store.connection("default") as theirs:
                    is_own = theirs is not ours and ask(theirs) == 1
                    if theirs.vendor != "sqlite":
                        is_own = is_own and session_of(theirs) != session
                store.close()
                told = b"own" if is_own else b"shared"
            finally:
                os.write(writing, told)
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100) == b"own"
        os.close(reading)
        os.close(writing)
        with store.connection("default") as still_ours:
            # On SQLite nothing is open while a process forks.
            assert still_ours is ours or ours.vendor == "sqlite"
            assert (ask(still_ours) if ours.vendor == "sqlite" else session_of(ours)) == session


def test_store_that_is_closed_opens_again(store: Store) -> None:
    with store.connection("default") as first:
        ask(first)
    store.close()
    assert first.connection is None
    with store.connection("default") as second:
        assert ask(second) == 1
