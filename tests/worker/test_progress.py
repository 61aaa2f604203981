"""How far a chunk got: the child notes it, and the parent reads it."""

import gc

import pytest

from deferred_signals.worker.progress import SLOTS, Progress


def test_parent_reads_what_the_child_notes() -> None:
    parent = Progress.shared()
    child = Progress.at(parent.slot)
    assert (parent.begun, parent.through) == (0, 0)
    child.begin()
    assert (parent.begun, parent.through) == (1, 0)
    child.end()
    assert (parent.begun, parent.through) == (1, 1)


def test_call_that_never_ran_counts_as_begun_once_it_is_through() -> None:
    progress = Progress()
    progress.end()
    progress.begin()
    assert (progress.begun, progress.through) == (2, 1)


def test_child_sees_that_the_parent_has_taken_over() -> None:
    parent = Progress.shared()
    child = Progress.at(parent.slot)
    assert not child.ended
    parent.take_over()
    assert child.ended


@pytest.mark.parametrize("slot", [None, -1, SLOTS, "0", 1.5])
def test_child_without_a_place_in_memory_keeps_an_account_of_its_own(slot: object) -> None:
    child = Progress.at(slot)
    child.begin()
    assert child.begun == 1
    assert Progress.at(slot).begun == 0


def test_place_in_memory_is_free_and_empty_again_when_its_chunk_is_gone() -> None:
    for _ in range(SLOTS + 1):
        progress = Progress.shared()
        assert progress.slot is not None
        assert (progress.begun, progress.ended) == (0, False)
        progress.begin()
        progress.take_over()
        del progress
        gc.collect(0)


def test_chunks_beyond_the_places_in_memory_have_accounts_that_nobody_else_sees() -> None:
    held = [Progress.shared() for _ in range(SLOTS + 1)]
    assert held[-1].slot is None
    held[-1].begin()
    assert held[-1].begun == 1
    assert len({progress.slot for progress in held}) == len(held)
