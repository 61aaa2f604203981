"""Dead letters: which ones are meant, replayed, sent to another receiver, and discarded."""

import logging
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import User
from django.dispatch import Signal
from django.utils import timezone

from deferred_signals import UnknownReceiver
from deferred_signals.outbox import Selection, discard, replay
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations import letters
from deferred_signals.running.outcomes import Succeeded
from tests.app.models import Order
from tests.support.connected import Connected

from .rows import NOWHERE, Kept, logged, now, seconds

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def connected(kept: Kept) -> None:
    kept.connect()


def test_replayed_letter_runs_again_from_its_first_attempt(kept: Kept) -> None:
    dead = kept.dead()
    before = kept.row(dead)
    assert before.attempt == 3
    assert replay(Selection()) == 1
    row = kept.row(dead)
    assert (row.attempt, row.dead_at, row.woken_at, row.error) == (0, None, None, "")
    assert (row.id, row.payload, row.created_at) == (before.id, before.payload, before.created_at)
    assert row.due_at is not None
    assert row.due_at.timestamp() <= now()
    assert isinstance(kept.run(dead), Succeeded)
    assert kept.is_gone(dead)


def test_replayed_letter_that_fails_again_has_all_of_its_attempts(kept: Kept) -> None:
    dead = kept.dead()
    replay(Selection())
    kept.function.does = ConnectionError()
    assert len(kept.run_through(dead)) == 3
    assert kept.row(dead).dead_at is not None


def test_replayed_letter_does_not_expire(kept: Kept) -> None:
    dead = kept.dead()
    kept.change(dead, expires_at=seconds(-5))
    replay(Selection())
    assert isinstance(kept.run(dead), Succeeded)


def test_receiver_that_was_unknown_for_long_has_all_of_its_grace_again(kept: Kept) -> None:
    dead = kept.dead()
    kept.change(dead, error="Unknown since 12.")
    replay(Selection())
    kept.forget()
    kept.run(dead)
    assert kept.row(dead).dead_at is None


def test_only_what_is_meant_is_replayed(kept: Kept) -> None:
    order = Order.objects.create()
    away = kept.dead(ConnectionError("gateway 7"), order=order)
    slow = kept.dead(TimeoutError("gateway 8"), number=1)
    first = kept.name
    kept.disconnect()
    kept.connect()
    other = kept.dead(number=2)
    kept.change(other, dead_at=seconds(-3600))
    waits = kept.send(number=3)
    an_hour = timezone.now() - timedelta(minutes=30)
    cases: list[tuple[Selection, set[str]]] = [
        (Selection(), {away.id, slow.id, other.id}),
        (Selection(ids=(slow.id.upper(), waits.id, NOWHERE)), {slow.id}),
        (Selection(ids={UUID(slow.id)}), {slow.id}),
        (Selection(receiver=first), {away.id, slow.id}),
        (Selection(receiver="nobody"), set()),
        (Selection(subject=f"tests_app.Order {order.pk}"), {away.id}),
        (Selection(error="TimeoutError"), {slow.id}),
        (Selection(error="timeouterror"), set()),
        (Selection(error="gateway"), {away.id, slow.id}),
        (Selection(error="%"), set()),
        (Selection(since=an_hour), {away.id, slow.id}),
        (Selection(until=an_hour), {other.id}),
        (Selection(receiver=first, error="gateway 8"), {slow.id}),
    ]
    for which, expected in cases:
        assert replay(which, dry_run=True) == len(expected), which
        assert replay(which) == len(expected), which
        alive = {str(row.pk) for row in OutboxMessage.objects.filter(dead_at=None)}
        assert alive - {waits.id} == expected, which
        OutboxMessage.objects.filter(pk__in=expected - {other.id}).update(dead_at=timezone.now())
        for wake_up in (other,) if other.id in expected else ():
            kept.change(wake_up, dead_at=seconds(-3600))
        kept.change(away, error="ConnectionError: gateway 7")
        kept.change(slow, error="TimeoutError: gateway 8")


@pytest.mark.parametrize("ids", [("7",), ("",), (NOWHERE, "it's"), [None]])
def test_what_is_no_id_is_refused(ids: Any) -> None:
    with pytest.raises(ValueError, match="is no id of a durable message"):
        Selection(ids=ids)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ids", NOWHERE, "a list of ids"),
        ("receiver", print, "a name"),
        ("subject", "", "a text that is not empty"),
        ("error", TimeoutError, "a text that is not empty"),
        ("since", "2026-01-31", "a datetime"),
        ("until", date(2026, 1, 31), "a datetime"),
    ],
)
def test_value_of_another_kind_is_refused(name: str, value: object, expected: str) -> None:
    refused = rf"^Selection\({name}=\) must be {expected}(, or None)?, got "
    with pytest.raises(ValueError, match=refused):
        Selection(**{name: value})  # type: ignore[arg-type]


def test_selection_without_ids_is_not_one_of_no_ids(kept: Kept) -> None:
    kept.dead()
    assert [str(Selection()), str(Selection(ids=[]))] == ["all", "ids=none"]
    assert (discard(Selection(ids=[])), replay(Selection(ids=[]))) == (0, 0)
    assert discard(Selection()) == 1


def test_database_without_an_outbox_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'other' has no outbox: .*has default"):
        replay(Selection(), using="other")


def test_many_letters_are_replayed_in_batches(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "BATCH", 3)
    wake_ups = [kept.dead(number=number) for number in range(8)]
    for wake_up in wake_ups[:5]:  # several that died at one moment
        kept.change(wake_up, dead_at=kept.row(wake_ups[0]).dead_at)
    done: list[int] = []
    assert replay(Selection(), progress=done.append) == 8
    assert done == [3, 6, 8]
    assert not OutboxMessage.objects.exclude(dead_at=None).exists()


def test_letter_that_dies_again_meanwhile_is_not_replayed_for_ever(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "BATCH", 1)
    wake_ups = [kept.dead(number=number) for number in range(3)]

    def die_again(done: int) -> None:
        kept.change(wake_ups[0], dead_at=seconds(0), due_at=None)

    assert replay(Selection(), progress=die_again) == 3


def test_discarded_letter_is_gone(kept: Kept) -> None:
    dead, other, waits = kept.dead(number=1), kept.dead(number=2), kept.send(number=3)
    assert discard(Selection(ids=(dead.id, waits.id))) == 1
    assert kept.is_gone(dead)
    assert not kept.is_gone(other)
    assert not kept.is_gone(waits)
    assert discard(Selection(), dry_run=True) == 1
    assert not kept.is_gone(other)


def test_what_a_user_does_is_in_the_admin_log(kept: Kept) -> None:
    user = User.objects.create(username="ada")
    dead, other = kept.dead(number=1), kept.dead(number=2)
    replay(Selection(ids=(dead.id,)), user=user)
    discard(Selection(ids=(other.id,)), user=user)
    found = LogEntry.objects.filter(user=user).order_by("pk")
    assert [(one.action_flag, one.object_id, one.get_change_message()) for one in found] == [
        (CHANGE, dead.id, "Replayed."),
        (DELETION, other.id, "Discarded."),
    ]
    assert found[0].object_repr == f"{kept.name} {dead.id}"
    LogEntry.objects.all().delete()
    user.delete()


def test_what_nobody_did_is_in_the_log(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "deferred_signals")
    dead = kept.dead(card="4111")
    caplog.clear()
    replay(Selection())
    assert logged(caplog) == [f"{kept.name} {dead.id} was replayed by a command or the project"]
    assert not LogEntry.objects.exists()


class TestAnotherReceiver:
    """A letter of a receiver that was replaced goes to another one of its signal."""

    @pytest.fixture
    def got(self) -> list[dict[str, Any]]:
        return []

    @pytest.fixture
    def other(self, kept: Kept, got: list[dict[str, Any]], defer: Connected) -> str:
        """Connect another receiver to the signal of a dead letter."""
        kept.dead(number=7, to="Ada")
        name = kept.name

        def receive(sender: object, number: int, **kwargs: Any) -> None:
            got.append({"number": number, **kwargs})

        defer(kept.signal, name="tests.successor", weak=False)(receive)
        return name

    def test_it_gets_a_new_message_and_the_letter_stays_dead(
        self, kept: Kept, other: str, got: list[dict[str, Any]]
    ) -> None:
        assert replay(Selection(), to="tests.successor") == 1
        new = OutboxMessage.objects.get(dead_at=None)
        old = OutboxMessage.objects.exclude(dead_at=None).get()
        assert (new.receiver, old.receiver) == ("tests.successor", other)
        assert new.id != old.id
        assert new.due_at is not None
        assert new.due_at.timestamp() <= now()
        wake_up = kept.send(number=0)._replace(id=str(new.id))
        assert isinstance(kept.run(wake_up, "tests.successor"), Succeeded)
        assert [(one["number"], one["to"]) for one in got] == [(7, "Ada")]

    def test_one_that_needs_more_is_refused_and_nothing_is_written(
        self, kept: Kept, other: str, defer: Connected
    ) -> None:
        @defer(kept.signal, name="tests.wants", weak=False)
        def receive(sender: object, colour: str, **kwargs: Any) -> None:
            """Never run."""

        with pytest.raises(ValueError, match="needs 'colour': the letter has 'number', 'to'"):
            replay(Selection(), to="tests.wants")
        assert OutboxMessage.objects.count() == 1

    def test_one_of_another_signal_is_refused(self, other: str, defer: Connected) -> None:
        @defer(Signal(), name="tests.stranger", weak=False)
        def receive(sender: object, **kwargs: Any) -> None:
            """Never run."""

        with pytest.raises(ValueError, match=r"'tests\.stranger', which does not listen to"):
            replay(Selection(), to="tests.stranger")

    def test_unknown_one_is_refused(self, other: str) -> None:
        with pytest.raises(UnknownReceiver, match="successor"):
            replay(Selection(), to="tests.succesor")
