"""Forks of a process whose threads use the outbox's connections, like a worker's parent."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection as djangos
from django.db.backends.signals import connection_created

from deferred_signals.outbox.models import TABLE
from deferred_signals.outbox.store import Lender, OneUse, Store

from .rows import Kept

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def test_child_may_write_whatever_its_parent_was_writing(kept: Kept) -> None:
    kept.connect()
    kept.send()
    ended = threading.Event()

    def write() -> None:
        with kept.store.connection("default") as connection, connection.cursor() as cursor:
            cursor.execute(f"UPDATE {TABLE} SET position = position + 1")  # noqa: S608 - a constant

    def write_on() -> None:
        while not ended.is_set():
            write()

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        for _ in range(20):
            assert _status_of_child(write) == 0
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("make", [Store, OneUse])
def test_fork_waits_for_a_thread_that_connects(make: Callable[[], Lender]) -> None:
    """OpenSSL's locks would be held in the child for ever: one to four of 250 children hung on MariaDB."""
    through = threading.Event()

    def connect() -> None:
        store = make()
        with store.connection("default") as connection, connection.cursor():
            pass
        store.close()

    def check() -> None:
        assert through.is_set()
        connect()

    with _connecting(connect, 0.3, through):
        assert _status_of_child(check) == 0


@pytest.mark.skipif(
    djangos.vendor != "sqlite", reason="others hold no lock in the process while they write"
)
@pytest.mark.parametrize("make", [Store, OneUse])
def test_fork_waits_for_a_thread_that_connects_and_writes_to_sqlite(
    make: Callable[[], Lender],
) -> None:
    store, through = make(), threading.Event()

    def write() -> None:
        with store.connection("default") as connection, connection.cursor():
            time.sleep(0.3)
            through.set()

    def check() -> None:
        assert through.is_set()

    with _connecting(write, 0.1):
        assert _status_of_child(check) == 0
    store.close()


@contextmanager
def _connecting(
    act: Callable[[], None], seconds: float, through: threading.Event | None = None
) -> Iterator[None]:
    """Have another thread act, which is in the midst of connecting when the block begins.

    Arguments:
        act: connects.
        seconds: for how long that thread goes on to connect.
        through: is set when it is through with that.
    """
    begun = threading.Event()
    thread = threading.Thread(target=act)

    def linger(**_kwargs: object) -> None:
        if threading.current_thread() is thread:
            begun.set()
            time.sleep(seconds)
            if through is not None:
                through.set()

    connection_created.connect(linger)
    try:
        thread.start()
        assert begun.wait(30)
        yield
    finally:
        thread.join()
        connection_created.disconnect(linger)


def _status_of_child(act: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if not child:
        status = 1
        signal.alarm(10)  # ends a child that waits for ever
        try:
            act()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
