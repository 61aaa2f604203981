"""Ids: UUIDs in the order of time, no two of them the same, on any thread and in any process."""

import os
import threading
import time
from collections.abc import Callable
from ctypes import PyDLL
from uuid import UUID

import pytest

from deferred_signals.support.ids import new_id


def test_id_is_a_uuid_of_the_time_and_of_chance() -> None:
    made = [new_id() for _ in range(300)]
    for id_ in made:
        parsed = UUID(id_)
        assert str(parsed) == id_
        assert (parsed.int >> 76 & 15, parsed.variant) == (7, "specified in RFC 4122")
        assert abs((parsed.int >> 80) / 1000 - time.time()) < 5
    assert len({id_[20:] for id_ in made}) == 300


def test_ids_are_in_the_order_in_which_they_were_made() -> None:
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(made)


def test_no_two_ids_are_the_same_on_many_threads() -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(new_id() for _ in range(2000)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 16_000


def test_ids_of_each_thread_are_in_their_order_beside_those_of_others() -> None:
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append([new_id() for _ in range(2000)]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for made in found:
        assert made == sorted(made)
        assert len(set(made)) == 2000


@pytest.mark.parametrize("fork", [os.fork, PyDLL(None).fork], ids=["Python", "C, like uWSGI"])
def test_child_makes_other_ids_than_its_parent(fork: Callable[[], int]) -> None:
    new_id()
    reading, writing = os.pipe()
    child = fork()
    if not child:
        os.write(writing, " ".join(new_id() for _ in range(20)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 4096).decode().split()
    os.close(reading)
    os.close(writing)
    ours = {new_id() for _ in range(100)}
    assert len(theirs) == 20
    assert ours.isdisjoint(theirs)
    # Chance tells them apart: the parent and the child may make ids at the same moment.
    assert {id_[20:] for id_ in ours}.isdisjoint(id_[20:] for id_ in theirs)
