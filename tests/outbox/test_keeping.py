"""What commit delivery keeps is written once, whatever is there already and whatever a database does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, Error, OperationalError, connections

from deferred_signals.message import Message
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.outbox.keeping import keep, spill
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.rows import Row
from deferred_signals.outbox.store import OneUse, Store
from deferred_signals.support.ids import new_id

from .rows import Kept, database_away, is_set, now, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

Configure = Callable[..., None]


def outgoing(id_: str, age: float = 0) -> Outgoing:
    message = Message(
        id=id_,
        receiver="tests.kept_for_later",
        signal="tests.signal",
        sender=None,
        kwargs={"number": 1},
        using="default",
        sent_at=datetime.now(UTC) - timedelta(seconds=age),
    )
    return Outgoing(message, message.to_wire(), {})


def row(id_: str, **fields: Any) -> Row:
    return Row(id_, 0, "tests.kept_for_later", "", "{}", "", 0.0, None, **fields)


def test_row_that_is_there_stays_as_it_is(kept: Kept) -> None:
    kept.connect()
    wake_up, other = kept.send(), new_id()
    kept.change(wake_up, attempt=2, due_at=seconds(500))
    before = kept.row(wake_up)
    assert spill([outgoing(wake_up.id), outgoing(other)]) == {}
    after = kept.row(wake_up)
    assert (after.attempt, after.due_at, after.payload) == (2, before.due_at, before.payload)
    assert OutboxMessage.objects.filter(pk=other).exists()


def test_dead_letter_makes_room_for_its_message(kept: Kept) -> None:
    """Somebody has sent it again, and it could not be published."""
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, attempt=3, due_at=None, woken_at=None, dead_at=seconds(0), error="why")
    assert spill([outgoing(wake_up.id)]) == {}
    found = kept.row(wake_up)
    assert (found.attempt, found.dead_at, found.error) == (0, None, "")
    assert found.due_at is not None


ID = "019b5f1c-0000-7000-8000-00000000000a"


@pytest.mark.parametrize("id_", ["5f1c", ID.upper(), ID.replace("-", "")])
def test_id_that_is_none_of_ours_is_refused(id_: str) -> None:
    assert [*spill([outgoing(id_)])] == [id_]
    assert not OutboxMessage.objects.exists()


def test_message_counts_its_age_from_the_send_and_is_due_now() -> None:
    began = now()
    spill([outgoing(ID, age=300)])
    found = OutboxMessage.objects.get()
    assert is_set(found.created_at, -300, began, slack=1)
    assert is_set(found.due_at, 0, began, slack=1)


def test_clock_of_a_sender_that_is_late_makes_no_message_of_the_future() -> None:
    spill([outgoing(ID, age=-300)])
    assert OutboxMessage.objects.get().created_at.timestamp() <= now() + 0.01


def test_many_large_messages_are_kept_all_or_none(configure: Configure) -> None:
    ids = [new_id() for _ in range(1200)]
    keep(OneUse(), [row(id_, error="x") for id_ in ids])
    assert OutboxMessage.objects.count() == len(ids)
    OutboxMessage.objects.all().delete()
    too_long = row(new_id())._replace(receiver=None)  # type: ignore[arg-type]  # what no table takes
    with pytest.raises(DatabaseError):
        keep(OneUse(), [*[row(id_) for id_ in ids], too_long])
    assert not OutboxMessage.objects.exists()


def test_wait_that_no_database_could_hold_is_bounded() -> None:
    keep(OneUse(), [row(ID)._replace(countdown=1e15)])
    due = OutboxMessage.objects.get().due_at
    assert due is not None
    assert due.year > 2100


class Forgetful(OneUse):
    """A database that does what it is told, and whose answer to a COMMIT is lost the first times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked: list[str] = []

    @contextmanager
    def connection(self, alias: str) -> Iterator[Any]:
        self.asked.append(alias)
        with super().connection(alias) as connection:
            commit = connection.commit

            def commit_unheard() -> None:
                commit()
                if self.times:
                    self.times -= 1
                    raise OperationalError("the server closed the connection")

            connection.commit = commit_unheard  # type: ignore[method-assign]
            yield connection


def test_commit_whose_answer_is_lost_is_asked_for_again(configure: Configure) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    lender = Forgetful(1)
    keep(lender, [row(ID)])
    assert lender.asked == ["default", "default"]
    assert OutboxMessage.objects.count() == 1


def test_commit_that_stays_unknown_is_made_in_no_other_database(configure: Configure) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    lender = Forgetful(5)
    with pytest.raises(OperationalError):
        keep(lender, [row(ID)])
    assert lender.asked == ["default", "default"]
    assert not OutboxMessage.objects.using("other").exists()


def lose_the_session(store: Store) -> None:
    with store.connection("default") as own:
        own.ensure_connection()
        own.connection.close()


def test_connection_that_broke_since_it_was_used_is_replaced(kept: Kept) -> None:
    lose_the_session(kept.store)
    with pytest.raises(Error):
        keep(kept.store, [row(ID)])
    lose_the_session(kept.store)
    keep(kept.store, [row(ID)], tries=2)
    assert OutboxMessage.objects.count() == 1


def test_database_that_does_not_answer_is_waited_for_no_longer_than_for_a_broker(
    configure: Configure,
) -> None:
    configure(CONNECT_TIMEOUT=2.5)
    with OneUse().connection("default") as own:
        expected = None if own.vendor == "sqlite" else 3
        assert own.settings_dict.get("OPTIONS", {}).get("connect_timeout") == expected
    assert "connect_timeout" not in connections["default"].settings_dict.get("OPTIONS", {})


def test_database_that_is_away_leaves_the_next_one(configure: Configure) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    with database_away():
        keep(Store(), [row(ID)], tries=2)
    connections["default"].close()
    assert not OutboxMessage.objects.exists()
    assert OutboxMessage.objects.using("other").count() == 1
