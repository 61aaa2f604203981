"""What durable delivery reads and replaces of Django's connections, which Django does not document.

`outbox/at_commit.py` is the one file that relies on these.
"""

from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.transaction import TransactionManagementError

from tests.app.models import Label

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def hook() -> None:
    """Be registered, and called by nobody."""


def test_outermost_block_calls_the_commit_of_the_connection_object_and_only_that() -> None:
    real = connections["default"]
    called: list[tuple[bool, list[Any]]] = []

    def commit() -> None:
        called.append((real.in_atomic_block, [*real.run_on_commit]))
        del real.commit
        real.commit()

    with transaction.atomic():
        real.commit = commit  # type: ignore[method-assign]
        with transaction.atomic():
            transaction.on_commit(hook, robust=True)
        with transaction.atomic(savepoint=False):
            pass
        assert called == []
    # The hooks are still there, and the connection takes statements, as no block is open any more.
    ((is_in_a_block, hooks),) = called
    assert not is_in_a_block
    assert [(function, robust) for _savepoints, function, robust in hooks] == [(hook, True)]
    assert "commit" not in vars(real)


def test_block_that_is_rolled_back_does_not_call_commit() -> None:
    real = connections["default"]
    real.commit = pytest.fail  # type: ignore[method-assign]
    with transaction.atomic():
        transaction.set_rollback(True)
    del real.commit


def test_statement_inside_the_commit_is_part_of_the_transaction() -> None:
    real = connections["default"]

    def commit() -> None:
        del real.commit
        Label.objects.create(name="undone")
        real.rollback()
        real.commit()

    with transaction.atomic():
        real.commit = commit  # type: ignore[method-assign]
    assert not Label.objects.exists()


def test_method_of_the_class_is_what_an_object_without_its_own_has() -> None:
    real = connections["default"]
    assert type(real).commit.__get__(real) == real.commit


def test_commit_inside_a_block_is_refused() -> None:
    with transaction.atomic(), pytest.raises(TransactionManagementError):
        connections["default"].commit()


def test_each_savepoint_is_counted_also_one_made_by_hand() -> None:
    with transaction.atomic():
        before = connection.savepoint_state
        with transaction.atomic():
            inside = connection.savepoint_state
        savepoint: Any = connection.savepoint()
        by_hand = connection.savepoint_state
        connection.savepoint_rollback(savepoint)
        with transaction.atomic(savepoint=False):
            assert connection.savepoint_state == by_hand
    assert (inside, by_hand) == (before + 1, before + 2)


def test_rollback_forgets_the_hooks() -> None:
    transaction.set_autocommit(False)
    try:
        with transaction.atomic():
            transaction.on_commit(hook)
        assert connection.run_on_commit
        transaction.rollback()
        assert connection.run_on_commit == []
    finally:
        transaction.set_autocommit(True)
