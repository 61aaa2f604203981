"""Outside of `atomic()`: autocommit, a commit by hand, and coroutines."""

from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, connection, connections, transaction
from django.db.models.signals import post_save
from django.db.transaction import TransactionManagementError

from tests.app.models import Label
from tests.support.connected import Connected
from tests.support.outbox import Durable
from tests.support.rollbacks import Stop, roll_back
from tests.support.statements import Refusing

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def by_hand() -> Iterator[None]:
    """Switch autocommit off; a test that fails leaves no transaction open."""
    transaction.set_autocommit(False)
    yield
    transaction.rollback()
    transaction.set_autocommit(True)


def test_row_is_written_at_once_in_autocommit(durable: Durable) -> None:
    (id_,) = durable.send(1)
    assert durable.kept() == [1]
    assert durable.row().position == 0
    assert durable.woken() == [id_]


def test_first_statement_of_a_connection_may_be_that_of_a_row(durable: Durable) -> None:
    connection.close()
    durable.send(1)
    assert durable.kept() == [1]


def test_caller_gets_the_error_of_a_row_that_autocommit_cannot_write(
    durable: Durable, refusing: Refusing
) -> None:
    with refusing(DatabaseError("no room")), pytest.raises(DatabaseError, match="no room"):
        durable.send(1)
    durable.send(2)
    assert durable.kept() == [2]
    assert len(durable.woken()) == 1


def test_row_of_a_model_that_autocommit_has_saved_stays_when_the_message_cannot_be_written(
    durable: Durable, defer: Connected, refusing: Refusing
) -> None:
    @defer(post_save, sender=Label, durable=True)
    def receive(sender: type, **kwargs: object) -> None: ...

    # `save()` of a model opens a block of its own, but not around its signals.
    with refusing(DatabaseError("no room")), pytest.raises(DatabaseError, match="no room"):
        Label(name="saved").save()
    assert Label.objects.filter(name="saved").exists()
    assert durable.rows() == []
    told = pytest.raises(DatabaseError, match="no room")
    with told, refusing(DatabaseError("no room")), transaction.atomic():
        Label(name="undone").save()
    assert not Label.objects.filter(name="undone").exists()


def test_manual_transaction_gets_an_error_that_tells_what_to_do(
    durable: Durable, by_hand: None
) -> None:
    with pytest.raises(TransactionManagementError, match=r"transaction\.atomic\(\)"):
        durable.send(1)
    assert durable.rows() == []


def test_block_in_a_manual_transaction_is_written_by_the_manual_commit(
    durable: Durable, by_hand: None
) -> None:
    with transaction.atomic():
        (id_,) = durable.send(1)
    with pytest.raises(Stop), transaction.atomic():
        durable.send(2)
        roll_back()
    assert durable.rows() == []
    transaction.commit()
    assert "commit" not in vars(connections["default"])
    assert durable.kept() == [1]
    transaction.commit()
    transaction.set_autocommit(True)  # Django calls the hooks now
    assert durable.woken() == [id_]
    transaction.set_autocommit(False)


def test_each_manual_commit_writes_its_own_rows(durable: Durable, by_hand: None) -> None:
    with transaction.atomic():
        durable.send(1)
    transaction.commit()
    with transaction.atomic():
        durable.send(2)
    transaction.rollback()
    with transaction.atomic():
        durable.send(3)
    transaction.commit()
    assert durable.kept() == [1, 3]


@pytest.mark.parametrize("error", [DatabaseError("no room"), KeyboardInterrupt()])
def test_manual_commit_that_cannot_write_its_rows_is_rolled_back(
    durable: Durable, refusing: Refusing, error: BaseException
) -> None:
    transaction.set_autocommit(False)
    try:
        Label.objects.create(name="undone")
        with transaction.atomic():
            durable.send(1)
        with refusing(error), pytest.raises(type(error)):
            transaction.commit()
    finally:
        transaction.set_autocommit(True)  # MySQL and SQLite take this as COMMIT
    assert not Label.objects.exists()
    assert durable.rows() == []
    assert durable.woken() == []


def test_commit_that_django_refuses_writes_nothing(durable: Durable) -> None:
    with transaction.atomic():
        durable.send(1)
        with pytest.raises(Stop), transaction.atomic():
            with pytest.raises(TransactionManagementError):
                connection.commit()
            roll_back()
        assert durable.rows() == []
    assert durable.kept() == [1]
    assert len(durable.woken()) == 1


def test_asend_in_a_coroutine_waits_for_the_commit_on_the_thread_of_the_database(
    durable: Durable,
) -> None:
    with transaction.atomic():
        async_to_sync(durable.signal.asend)(None, number=1)
        assert durable.rows() == []
    async_to_sync(durable.signal.asend)(None, number=2)
    assert durable.kept() == [1, 2]
    assert len(durable.woken()) == 2
