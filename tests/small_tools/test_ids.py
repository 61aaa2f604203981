"""Ids: random UUIDs, no two of them the same, on any thread and in any process."""

import os
import threading
from uuid import UUID

from deferred_signals.support.ids import new_id


def test_id_is_a_random_uuid() -> None:
    for _ in range(300):
        made = new_id()
        parsed = UUID(made)
        assert str(parsed) == made
        assert (parsed.version, parsed.variant) == (4, "specified in RFC 4122")


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


def test_child_makes_other_ids_than_its_parent() -> None:
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
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
