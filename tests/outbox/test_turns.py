"""Order: of rows with one key the earliest living one runs, and the others wait for its end."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.dispatch import Signal

from deferred_signals.errors import InvalidReceiver
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.claims import claim
from deferred_signals.outbox.dialects import dialect_of
from deferred_signals.outbox.models import TABLE, OutboxMessage
from deferred_signals.outbox.releases import Holder, bury, remove, retry
from deferred_signals.outbox.taking import take_aside, take_due
from deferred_signals.outbox.turns import claim_in_turn, set_blocked_on
from deferred_signals.testing import live
from tests.app.models import Order
from tests.support.connected import Connected, deferred

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

Send = Callable[..., str]

NAME = "tests.in_turns"


@pytest.fixture
def send(signal: Signal, defer: Connected) -> Send:
    """Send to a receiver whose messages are ordered by their key; return the message's id."""

    @defer(signal, durable=True, ordered_by=lambda sender, key, **kwargs: key, name=NAME)
    def receive(sender: object, key: Any, **kwargs: Any) -> None:
        """Never run in here."""

    def send_one(key: Any) -> str:
        with live():
            [found] = deferred(signal.send(None, key=key))
        return found.id

    return send_one


def take_turn(id_: str, attempt: int = 0) -> bool:
    return (
        claim_in_turn(connection, WakeUp("default", id_, attempt, 0.0), NAME, "here 1", 60)
        is not None
    )


def key_of(id_: str) -> str:
    return str(OutboxMessage.objects.get(pk=id_).order_key)


def test_earliest_living_row_of_a_key_runs(send: Send) -> None:
    first, second, other = send("a"), send("a"), send("b")
    assert not take_turn(second)
    assert take_turn(first)
    assert take_turn(other)
    assert not take_turn(second)
    remove(connection, first, 1)
    assert take_turn(second)


def test_rows_of_one_transaction_run_in_the_order_of_their_sends(send: Send) -> None:
    with transaction.atomic():
        ids = [send("a") for _ in range(5)]
    for place, id_ in enumerate(ids):
        assert [take_turn(later) for later in ids[place + 1 :]] == [False] * (4 - place)
        assert take_turn(id_)
        remove(connection, id_, 1)


def test_retry_holds_up_what_is_behind_it_and_a_dead_letter_does_not(send: Send) -> None:
    first, second = send("a"), send("a")
    assert take_turn(first)
    retry(connection, first, Holder(1), 60, "")
    assert not take_turn(second)
    assert take_turn(first, 1)
    bury(connection, first, Holder(2), "")
    assert take_turn(second)


def test_two_rows_of_a_key_never_run_at_once(send: Send) -> None:
    first, second = send("a"), send("a")
    assert claim(
        connection, WakeUp("default", second, 0, 0.0), NAME, "elsewhere 1", 60
    )  # as if it had not been asked whose turn it is
    assert not take_turn(first)
    remove(connection, second, 1)
    assert take_turn(first)


def test_row_that_was_set_aside_is_woken_when_the_one_before_ends(send: Send) -> None:
    first, second = send("a"), send("a")
    key = key_of(first)
    assert take_turn(first)
    assert take_aside(connection, key, 60) == []
    assert not take_turn(second)
    remove(connection, first, 1)
    assert [row.id for row in take_aside(connection, key, 60)] == [second]
    assert take_aside(connection, key, 60) == []
    assert take_turn(second)


def test_row_that_waits_for_its_own_time_is_not_woken_early(send: Send) -> None:
    first = send("a")
    key = key_of(first)
    assert take_turn(first)
    retry(connection, first, Holder(1), 60, "")
    assert take_aside(connection, key, 60) == []


def test_relay_takes_no_row_whose_turn_it_is_not(send: Send) -> None:
    first, second, third = send("a"), send("a"), send("a")
    OutboxMessage.objects.update(woken_at=None)
    for id_ in (second, third):
        assert not take_turn(id_)
    OutboxMessage.objects.update(due_at=OutboxMessage.objects.get(pk=first).created_at)
    assert [row.id for row in take_due(connection, 10, 60)] == [first]
    set_blocked_on(connection, 10, 60)
    assert take_due(connection, 10, 60) == []
    remove(connection, first, None)
    assert [row.id for row in take_aside(connection, key_of(second), 60)] == [second]


def test_relay_passes_rows_that_another_one_changes_just_now(send: Send) -> None:
    if not dialect_of(connection).skips_locked:
        pytest.skip("Nobody else writes during a transaction.")
    first, held, *others = (send("key") for _ in range(4))
    sent = OutboxMessage.objects.get(pk=first).created_at
    OutboxMessage.objects.exclude(pk=first).update(woken_at=None, due_at=sent)
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        touch = f"UPDATE {TABLE} SET attempt = 0 WHERE id = %s"  # noqa: S608 - a name of ours
        with other.cursor() as cursor:
            cursor.execute(touch, [dialect_of(other).id(held)])
        set_blocked_on(connection, 10, 60)
    finally:
        other.close()
    still_due = OutboxMessage.objects.filter(due_at=sent).values_list("id", flat=True)
    assert [str(id_) for id_ in still_due] == [held]
    assert OutboxMessage.objects.filter(pk__in=others, due_at__gt=sent).count() == len(others)


def test_instance_is_a_key(signal: Signal, defer: Connected) -> None:
    @defer(signal, durable=True, ordered_by="instance")
    def receive(sender: object, instance: Order, **kwargs: Any) -> None:
        """Never run in here."""

    one, other = Order.objects.create(), Order.objects.create()
    with live():
        for instance in (one, other, one):
            signal.send(None, instance=instance)
    keys = list(OutboxMessage.objects.order_by("created_at").values_list("order_key", flat=True))
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.parametrize("key", [7, "seven", ("shop", 7), None])
def test_key_may_be_what_travels(key: Any, send: Send) -> None:
    stored = OutboxMessage.objects.get(pk=send(key)).order_key
    assert (stored is None) == (key is None)


def test_key_that_cannot_travel_is_refused(signal: Signal, defer: Connected) -> None:
    @defer(signal, durable=True, ordered_by=lambda sender, **kwargs: object())
    def receive(sender: object, **kwargs: Any) -> None:
        """Never run in here."""

    with live(), pytest.raises(InvalidReceiver, match=r"ordered_by= of .* must give a key"):
        signal.send(None)
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("options", [{"durable": False}, {"durable": True, "chunk_size": 5}])
def test_order_wants_durable_delivery_one_by_one(
    options: dict[str, Any], signal: Signal, defer: Connected
) -> None:
    with pytest.raises(InvalidReceiver, match="ordered_by"):

        @defer(signal, ordered_by="instance", **options)
        def receive(sender: object, instance: Order, **kwargs: Any) -> None:
            """Never connected."""
