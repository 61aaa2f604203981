"""What `support.savepoints` needs of Django's connections, and Django does not document."""

from typing import Any

import pytest
from django.db import connection, transaction

from deferred_signals.support.savepoints import SavepointWatch, open_savepoints

pytestmark = pytest.mark.django_db


class Watch(SavepointWatch):
    """A watch that keeps what it noticed."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.noticed: list[str] = []

    def rolled_back(self, savepoint: str) -> None:
        self.noticed.append(f"{savepoint} was rolled back")

    def released(self) -> None:
        self.noticed.append("the outermost was released")


def test_wrapper_in_front_stays_when_djangos_context_manager_ends_and_sees_the_savepoints() -> None:
    with transaction.atomic():
        savepoints = open_savepoints(connection, test_blocks=len(connection.atomic_blocks) - 1)
        with connection.execute_wrapper(lambda execute, *args: execute(*args)):
            watch = Watch.on(connection, savepoints)
            assert connection.execute_wrappers[0] is watch
        assert Watch.all(connection) == [watch]
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            (inner,) = open_savepoints(connection, len(connection.atomic_blocks) - 1)
            assert Watch.on(connection, [*savepoints, inner]) is watch
            raise ZeroDivisionError
        assert watch.noticed == [f"{inner} was rolled back"]
    assert watch.noticed[1:] == ["the outermost was released"]
    assert Watch.all(connection) == []


def test_block_without_a_savepoint_has_none_in_the_list() -> None:
    with transaction.atomic():
        before = [*connection.savepoint_ids]
        with transaction.atomic(savepoint=False):
            assert connection.savepoint_ids == [*before, None]
            assert open_savepoints(connection, len(before)) == [before[-1]]
