"""Forks of a process whose threads use the outbox's connections, like a worker's parent."""

import os
import signal
import threading
import warnings
from collections.abc import Callable

import pytest

from deferred_signals.outbox.models import TABLE

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
