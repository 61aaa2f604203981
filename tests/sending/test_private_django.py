"""What the library reads of Django's transactions, which Django does not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import TestCase

pytestmark = pytest.mark.django_db(transaction=True)


class Undo(Exception):
    """Rolls a block back, and goes no further than `undone`."""


@contextmanager
def undone() -> Iterator[None]:
    """Open a block, and roll it back."""
    try:
        with transaction.atomic():
            yield
            raise Undo
    except Undo:
        pass


def test_hook_is_kept_with_its_savepoints_and_whether_it_is_robust() -> None:
    def hook() -> None: ...

    with transaction.atomic(), transaction.atomic():
        transaction.on_commit(hook, robust=True)
        hooks: Any = connection.run_on_commit  # its stubs know two parts of a hook
        assert hooks == [(set(connection.savepoint_ids), hook, True)]


def test_hook_that_is_taken_out_of_its_savepoints_outlives_their_rollback() -> None:
    called: list[str] = []
    with transaction.atomic(), undone():
        transaction.on_commit(lambda: called.append("dropped"))
        transaction.on_commit(lambda: called.append("kept"))
        connection.run_on_commit[-1][0].clear()
    assert called == ["kept"]


def test_hook_inside_a_savepoint_that_was_made_by_hand_outlives_its_rollback() -> None:
    called: list[str] = []
    with transaction.atomic():
        savepoint: Any = connection.savepoint()
        transaction.on_commit(lambda: called.append("kept"))
        connection.savepoint_rollback(savepoint)
    assert called == ["kept"]


def test_list_of_hooks_may_be_exchanged_and_put_back() -> None:
    called: list[str] = []
    with transaction.atomic():
        transaction.on_commit(lambda: called.append("ours"))
        hooks, connection.run_on_commit = connection.run_on_commit, []
        with transaction.atomic():
            transaction.on_commit(lambda: called.append("theirs"))
        connection.run_on_commit = hooks
    assert called == ["ours"]


def test_each_open_block_is_listed_and_its_savepoint_if_it_has_one() -> None:
    outer, plain, inner = (
        transaction.atomic(),
        transaction.atomic(savepoint=False),
        transaction.atomic(),
    )
    with outer, plain, inner:
        assert connection.in_atomic_block
        assert connection.atomic_blocks == [outer, plain, inner]
        savepoints: list[str | None] = [*connection.savepoint_ids]
        without, with_one = savepoints
        assert without is None
        assert isinstance(with_one, str)
    assert not connection.atomic_blocks


def test_block_without_a_savepoint_that_fails_dooms_the_block_around_it() -> None:
    with undone():
        with pytest.raises(Undo), transaction.atomic(savepoint=False):
            raise Undo
        assert connection.needs_rollback


def test_connection_tells_whether_it_was_closed_in_its_transaction() -> None:
    with transaction.atomic():
        assert connection.closed_in_transaction is False


def test_execute_wrappers_are_a_list_and_djangos_own_come_last() -> None:
    def wrapper(execute: Any, *arguments: Any) -> Any:
        return execute(*arguments)

    connection.execute_wrappers.insert(0, wrapper)
    with connection.execute_wrapper(lambda execute, *arguments: execute(*arguments)):
        assert connection.execute_wrappers[0] is wrapper
    assert connection.execute_wrappers == [wrapper]
    connection.execute_wrappers.remove(wrapper)


def test_end_of_a_savepoint_is_executed_as_the_statement_of_the_database() -> None:
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, *arguments: Any) -> Any:
        seen.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(wrapper), transaction.atomic():
        with transaction.atomic():
            released = connection.savepoint_ids[-1]
        with undone():
            rolled_back = connection.savepoint_ids[-1]
    assert connection.ops.savepoint_commit_sql(released) in seen
    assert connection.ops.savepoint_rollback_sql(rolled_back) in seen


def test_block_that_is_marked_as_a_testcases_lets_a_durable_block_begin() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        transaction.atomic(durable=True).__enter__()
    marked: Any = transaction.atomic()
    assert marked._from_testcase is False  # noqa: SLF001 - pinned here
    marked._from_testcase = True  # noqa: SLF001 - pinned here
    with marked, transaction.atomic(durable=True):
        pass


def test_testcase_marks_its_blocks() -> None:
    class Case(TestCase):
        def runTest(self) -> None:  # noqa: N802 - unittest's name
            assert all(map(attrgetter("_from_testcase"), connection.atomic_blocks))
            assert connection.atomic_blocks

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
