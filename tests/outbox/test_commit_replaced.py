"""Other libraries replace `commit` of a connection, too: each has its own put back, exactly."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connections, transaction

from tests.app.models import Label
from tests.support.outbox import Durable
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


class Other:
    """Another library that wraps `commit` of a connection, and notes how it is called."""

    def __init__(self) -> None:
        self.connection: Any = connections["default"]
        self.called: list[int] = []
        self.wrapper: Callable[[], None] | None = None

    def wrap(self, read: Callable[[], Any]) -> None:
        before = self.connection.commit

        def commit() -> None:
            self.called.append(len(read()))
            before()

        self.wrapper = self.connection.commit = commit

    @property
    def there(self) -> object:
        return vars(self.connection).get("commit")


@pytest.fixture
def other() -> Iterator[Other]:
    made = Other()
    yield made
    vars(made.connection).pop("commit", None)


def test_commit_of_the_class_is_what_stays(durable: Durable, other: Other) -> None:
    with transaction.atomic():
        durable.send(1)
        durable.send(2)
        assert other.there is not None
    assert other.there is None


def test_wrapper_from_before_is_called_with_the_rows_and_put_back(
    durable: Durable, other: Other
) -> None:
    other.wrap(durable.rows)
    for number in (1, 2):
        with transaction.atomic():
            durable.send(number)
        assert other.there is other.wrapper
    assert other.called == [1, 2]
    assert durable.kept() == [1, 2]


def test_wrapper_from_inside_the_transaction_is_called_and_stays(
    durable: Durable, other: Other
) -> None:
    with transaction.atomic():
        durable.send(1)
        other.wrap(durable.rows)
        durable.send(2)
    assert other.there is other.wrapper
    with transaction.atomic():
        durable.send(3)
    assert other.there is other.wrapper
    assert other.called == [2, 3]
    assert durable.kept() == [1, 2, 3]
    assert [row.position for row in durable.rows()] == [0, 1, 0]
    assert len(durable.woken()) == 3


def test_wrapper_that_is_last_calls_ours(durable: Durable, other: Other) -> None:
    with transaction.atomic():
        durable.send(1)
        other.wrap(durable.rows)
    assert other.called == [0]
    assert other.there is other.wrapper
    assert durable.kept() == [1]
    with transaction.atomic():
        Label.objects.create(name="plain")
    assert durable.kept() == [1]


def test_wrapper_that_raises_leaves_rows_and_messages_to_one_fate(
    durable: Durable, other: Other
) -> None:
    other.wrap(roll_back)
    # After an error that is no database's, Django switches autocommit on. psycopg refuses that.
    with pytest.raises((Stop, DatabaseError)), transaction.atomic():
        Label.objects.create(name="first")
        durable.send(1)
    other.connection.close()
    assert [1] * Label.objects.count() == durable.kept()


def test_what_a_rolled_back_transaction_leaves_is_gone_after_the_next(
    durable: Durable, other: Other
) -> None:
    with pytest.raises(Stop), transaction.atomic():
        durable.send(1)
        roll_back()
    with transaction.atomic():
        Label.objects.create(name="plain")
    assert other.there is None
    assert durable.rows() == []


def test_rows_whose_commit_was_removed_are_written_after_it(durable: Durable, other: Other) -> None:
    with transaction.atomic():
        durable.send(1)
        del other.connection.commit
    assert durable.kept() == [1]
    assert len(durable.woken()) == 1


def test_engine_with_a_commit_of_its_own_is_called_and_kept(durable: Durable, other: Other) -> None:
    engine = type(other.connection)

    class Wrapped(engine):  # type: ignore[misc,valid-type]
        """An engine of another package's, as those that measure or that know tenants."""

        def commit(self) -> None:
            seen.append(len(durable.rows()))
            super().commit()

    seen: list[int] = []
    other.connection.__class__ = Wrapped
    try:
        for number in (1, 2):
            with transaction.atomic():
                durable.send(number)
    finally:
        other.connection.__class__ = engine
    assert seen == [1, 2]
    assert durable.kept() == [1, 2]
    assert other.there is None
