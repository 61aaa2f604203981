"""The testing modes warn of instances that a receiver gets with other values, and of no others."""

import uuid
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal
from django.test import RequestFactory
from django.utils.functional import SimpleLazyObject
from django.utils.timezone import get_default_timezone, make_naive

from deferred_signals import Discard
from deferred_signals.running.watching import watches
from deferred_signals.testing import Collected, StaleInstanceWarning, inline, manual
from deferred_signals.testing.sameness import differs
from tests.app.models import Article, GiftOrder, Label, Line, Order, PaidOrder, Run, Ticket
from tests.support.connected import Connected
from tests.support.recorder import Recorder

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(db: None) -> User:
    """Make a user before any mode begins."""
    return User.objects.create(username="old", password="hash")


@pytest.fixture
def deferred(recorder: Recorder) -> Iterator[Collected]:
    """Collect messages for a receiver of the test's signal."""
    with manual() as collected:
        yield collected


def silent(work: Callable[[], object]) -> None:
    """Do something of which nothing is to be told."""
    with warnings.catch_warnings(action="error", category=StaleInstanceWarning):
        work()


def test_change_that_was_not_saved_is_told(signal: Signal, deferred: Collected, user: User) -> None:
    user.username = "newer"
    signal.send(None, user=user)
    with pytest.warns(
        StaleInstanceWarning,
        match=r"user\.username was 'newer' at send, .* got 'old'.* save it .* snapshot=\('user',\)",
    ):
        deferred.run_deferred()


def test_change_is_told_by_inline_where_the_block_ends(
    signal: Signal, recorder: Recorder, user: User
) -> None:
    user.username = "newer"
    with pytest.warns(StaleInstanceWarning, match="'newer'"), inline(), transaction.atomic():
        signal.send(None, user=user)


def test_change_is_told_of_an_instance_that_was_made_or_saved_in_the_mode(
    signal: Signal, deferred: Collected
) -> None:
    user = User.objects.create(username="old")
    user.username = "newer"
    signal.send(None, user=user)
    with pytest.warns(StaleInstanceWarning, match="'newer'"):
        deferred.run_deferred()
    user.save()
    signal.send(None, user=user)
    silent(deferred.run_deferred)
    user.username = "newest"
    user.save(update_fields=["email"])
    signal.send(None, user=user)
    with pytest.warns(StaleInstanceWarning, match="'newest'"):
        deferred.run_deferred()


def test_change_is_told_of_an_instance_that_was_loaded_in_the_mode(
    signal: Signal, deferred: Collected, user: User
) -> None:
    loaded = User.objects.get()
    loaded.username = "newer"
    signal.send(None, user=loaded)
    with pytest.warns(StaleInstanceWarning, match="'newer'"):
        deferred.run_deferred()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda user: [user],
        lambda user: {"who": (user,)},
        lambda user: SimpleLazyObject(lambda: user),
    ],
    ids=["list", "dict of tuples", "lazy"],
)
def test_change_is_told_wherever_the_instance_is(
    wrap: Callable[[User], Any], signal: Signal, deferred: Collected, user: User
) -> None:
    user.username = "newer"
    signal.send(None, users=wrap(user))
    with pytest.warns(StaleInstanceWarning, match=r"users\.username was 'newer'"):
        deferred.run_deferred()


def test_change_of_the_sender_is_told(signal: Signal, deferred: Collected, user: User) -> None:
    user.username = "newer"
    signal.send(user)
    with pytest.warns(StaleInstanceWarning, match=r"sender\.username"):
        deferred.run_deferred()


def test_secret_is_not_shown(signal: Signal, deferred: Collected, user: User) -> None:
    user.set_password("a new one")
    signal.send(None, user=user)
    with pytest.warns(StaleInstanceWarning, match="had another value at send") as caught:
        deferred.run_deferred()
    assert all("md5" not in str(told.message) for told in caught)


def test_change_of_a_row_of_two_tables_is_told(signal: Signal, deferred: Collected) -> None:
    gift = GiftOrder.objects.create(wish="old")
    gift.wish, gift.status = "newer", "paid"
    signal.send(None, gift=gift)
    with pytest.warns(StaleInstanceWarning) as caught:
        deferred.run_deferred()
    assert len(caught) == 2


def test_retries_tell_of_one_change_once(signal: Signal, defer: Connected, user: User) -> None:
    defer(signal)(Recorder(failures=2))
    user.username = "newer"
    with manual() as deferred:
        signal.send(None, user=user)
        with pytest.warns(StaleInstanceWarning) as caught:
            deferred.run_deferred()
    assert len(caught) == 1


SAVES: dict[str, Callable[[User], object]] = {
    "save": lambda user: user.save(),
    "update_fields": lambda user: user.save(update_fields=["username"]),
    "update": lambda user: User.objects.filter(pk=user.pk).update(username=user.username),
    "update to another": lambda user: User.objects.filter(pk=user.pk).update(username="another"),
    "update of all": lambda user: User.objects.update(username="another"),
    "bulk_update": lambda user: User.objects.bulk_update([user], ["username"]),
    "upsert": lambda user: User.objects.bulk_create(
        [user], update_conflicts=True, unique_fields=["id"], update_fields=["username"]
    ),
    "update_or_create": lambda user: User.objects.update_or_create(
        pk=user.pk, defaults={"username": "another"}
    ),
    "SQL": lambda user: connection.cursor().execute("UPDATE auth_user SET username = 'another'"),
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
def test_later_write_explains_the_difference(
    save: Callable[[User], object], signal: Signal, deferred: Collected, user: User
) -> None:
    with transaction.atomic():
        user.username = "newer"
        signal.send(None, user=user)
        save(user)
    silent(deferred.run_deferred)


def test_older_copy_of_the_row_is_told(signal: Signal, deferred: Collected, user: User) -> None:
    before, now = User.objects.get(), user
    now.username = "newer"
    now.save()
    signal.send(None, before=before)
    with pytest.warns(StaleInstanceWarning, match=r"before\.username was 'old' at send, .*'newer'"):
        deferred.run_deferred()


def test_write_to_another_row_or_column_explains_nothing(
    signal: Signal, deferred: Collected, user: User
) -> None:
    other = User.objects.create(username="other")
    user.username = "newer"
    signal.send(None, user=user)
    other.email = "other@example.org"
    other.save()
    User.objects.filter(pk=user.pk).update(first_name="Ada")
    Label.objects.create(name="new")
    with pytest.warns(StaleInstanceWarning, match="'newer'"):
        deferred.run_deferred()


def test_row_that_is_changed_between_send_and_run_is_not_told(
    signal: Signal, deferred: Collected, user: User
) -> None:
    signal.send(None, user=user)
    User.objects.filter(pk=user.pk).update(username="changed meanwhile", is_active=False)
    silent(deferred.run_deferred)


def test_instance_that_travels_as_it_is_is_not_told(
    signal: Signal, defer: Connected, user: User
) -> None:
    defer(signal, snapshot=True)(Recorder())
    defer(signal, snapshot=("user",))(Recorder())
    defer(signal, exclude=("user",))(Recorder())
    user.username = "newer"
    with manual() as deferred:
        signal.send(None, user=user)
        signal.send(None, user=User(username="unsaved"))
        silent(deferred.run_deferred)


def test_saved_instance_of_a_signal_of_models_is_not_told(defer: Connected) -> None:
    defer(post_save, sender=Order)(Recorder())
    defer(m2m_changed, sender=Order.labels.through)(Recorder())
    with manual() as deferred:
        order = Order.objects.create()
        order.status, order.total = "paid", 7
        order.save(update_fields=["status"])
        order.labels.add(Label.objects.create(name="new"))
        silent(deferred.run_deferred)


def test_values_that_a_database_changes_are_not_told(signal: Signal, deferred: Collected) -> None:
    now = datetime.now(UTC)
    order = Order.objects.create(total="9.9", placed_at=now.isoformat())
    run = Run.objects.create(
        receiver=7, attempt="3", payload={1: (2, 3), "at": now, "id": uuid.UUID(int=7)}
    )
    ticket = Ticket.objects.create(id=str(uuid.uuid4()))
    line = Line.objects.create(order_id=str(order.pk), document="a.txt")
    line.order_id = str(order.pk)
    order.total = 9.9000001
    signal.send(None, order=order, run=run, ticket=ticket, line=line)
    silent(deferred.run_deferred)


def test_expression_and_deferred_fields_are_not_told(
    signal: Signal, deferred: Collected, user: User
) -> None:
    order = Order.objects.create(total=1)
    order.total = F("total") + 1
    order.save()
    signal.send(None, order=order, user=User.objects.only("email").get())
    silent(deferred.run_deferred)


def test_change_of_an_instance_of_a_proxy_is_told(signal: Signal, deferred: Collected) -> None:
    PaidOrder.objects.create()
    order = PaidOrder.objects.get()
    order.status = "sent back"
    signal.send(None, order=order)
    with pytest.warns(StaleInstanceWarning, match="sent back"):
        deferred.run_deferred()


def test_what_the_receiver_sets_and_does_not_save_is_told(
    signal: Signal, defer: Connected, user: User
) -> None:
    @defer(signal, name="tests.setting")
    def receive(sender: object, user: User, **kwargs: object) -> None:
        user.first_name = "Ada"

    with manual() as deferred:
        signal.send(None, user=user)
        with pytest.warns(
            StaleInstanceWarning, match=r"'tests.setting' has set first_name of auth.User \d+ and"
        ):
            deferred.run_deferred()


def test_what_the_receiver_sets_on_the_saved_instance_is_told(defer: Connected) -> None:
    @defer(post_save, sender=Order)
    def receive(sender: object, instance: Order, **kwargs: object) -> None:
        instance.status = "seen"
        instance.save(update_fields=["total"]) if instance.total else None

    with pytest.warns(StaleInstanceWarning, match="has set status of"), inline():
        Order.objects.create()


USES: dict[str, Callable[[User], object]] = {
    "save": lambda user: user.save(),
    "update_fields": lambda user: user.save(update_fields=["first_name"]),
    "update": lambda user: User.objects.filter(pk=user.pk).update(first_name="Ada"),
    "bulk_update": lambda user: User.objects.bulk_update([user], ["first_name"]),
    "refresh": lambda user: user.refresh_from_db(),
    "delete": lambda user: user.delete(),
    "set back": lambda user: setattr(user, "first_name", ""),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_the_receiver_saves_is_not_told(
    use: Callable[[User], object], signal: Signal, defer: Connected, user: User
) -> None:
    @defer(signal)
    def receive(sender: object, user: User, **kwargs: object) -> None:
        user.first_name = "Ada"
        use(user)

    with manual() as deferred:
        signal.send(None, user=user)
        silent(deferred.run_deferred)


def test_attribute_that_is_no_field_is_not_told(
    signal: Signal, defer: Connected, user: User
) -> None:
    @defer(signal)
    def receive(sender: object, user: Any, **kwargs: object) -> None:
        user.rendered = "for the receiver's own use"

    with manual() as deferred:
        signal.send(None, user=user)
        silent(deferred.run_deferred)


def test_receiver_that_failed_or_was_discarded_is_not_told_of(
    signal: Signal, defer: Connected, user: User
) -> None:
    @defer(signal)
    def receive(sender: object, user: User, **kwargs: object) -> None:
        user.first_name = "Ada"
        raise Discard

    with manual() as deferred:
        signal.send(None, user=user)
        silent(deferred.run_deferred)


def test_watching_ends_with_the_mode(signal: Signal, recorder: Recorder, user: User) -> None:
    with manual() as deferred, inline():
        signal.send(None, user=user)
    deferred.run_deferred()
    assert connection.execute_wrappers == []
    assert watches == []


def test_no_query_is_added(
    signal: Signal, deferred: Collected, user: User, django_assert_num_queries: Any
) -> None:
    user.username = "newer"
    with django_assert_num_queries(0):
        signal.send(None, user=user)
    with django_assert_num_queries(3), pytest.warns(StaleInstanceWarning):
        deferred.run_deferred()  # the savepoint of the run, and the row


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ODD = object()

#: Field, value at send, value of the row.
ALIKE: dict[str, tuple[Any, object, object]] = {
    "rounded decimal": (Order.total, Decimal("1.001"), Decimal("1.00")),
    "decimal given as text": (Order.total, "1", Decimal("1.00")),
    "no number": (Order.total, "no number", Decimal(1)),
    "time without fractions": (Order.placed_at, NOON.replace(microsecond=600_000), NOON),
    "time given as text": (Order.placed_at, NOON.isoformat(), NOON),
    "time given as date": (Order.placed_at, NOON.date(), NOON),
    "naive time": (Order.placed_at, make_naive(NOON, get_default_timezone()), NOON),
    "time in another zone": (Order.placed_at, NOON.astimezone(timezone(timedelta(hours=2))), NOON),
    "text that was cut": (Order.status, "x" * 30, "x" * 20),
    "text with blanks": (Order.status, "paid ", "paid"),
    "nothing": (Order.status, None, ""),
    "number given for text": (Order.status, 5, "5"),
    "odd value": (Order.placed_at, ODD, NOON),
    "JSON": (Run.payload, {1: (2,)}, {"1": [2]}),
    "JSON with dates": (Run.payload, {"at": NOON}, {"at": "2030-01-01T12:00:00Z"}),
    "no JSON": (Run.payload, {"1": ODD}, {"1": [2]}),
    "key given as text": (Line.order, "7", 7),
    "UUID given as text": (Ticket.id, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
}
OTHERS: dict[str, tuple[Any, object, object]] = {
    "decimal": (Order.total, Decimal("1.01"), Decimal("1.00")),
    "time": (Order.placed_at, NOON, NOON + timedelta(seconds=2)),
    "text": (Order.status, "paid", "new"),
    "no text": (Order.status, None, "new"),
    "JSON": (Run.payload, {"1": [3]}, {"1": [2]}),
    "key": (Line.order, 8, 7),
    "file": (Line.document, "a.txt", "b.txt"),
}


@pytest.mark.parametrize("alike", ALIKE.values(), ids=ALIKE)
def test_value_that_a_database_keeps_as_another_is_the_same(
    alike: tuple[Any, object, object],
) -> None:
    attribute, sent, found = alike
    assert not differs(attribute.field, sent, found)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_value_is_told_from_it(other: tuple[Any, object, object]) -> None:
    attribute, sent, found = other
    assert differs(attribute.field, sent, found)


def test_change_of_a_row_whose_key_has_a_type_of_its_own_is_told(
    signal: Signal, deferred: Collected
) -> None:
    article = Article.objects.create(title="old")
    article.title = "newer"
    signal.send(None, article=article)
    with pytest.warns(StaleInstanceWarning, match=r"article\.title was 'newer' at send"):
        deferred.run_deferred()


def test_what_a_receiver_asks_a_request_in_vain_is_told_though_it_goes_on(
    signal: Signal, defer: Connected, rf: RequestFactory
) -> None:
    @defer(signal, name="tests.asks")
    def ask(sender: object, request: Any, **kwargs: object) -> None:
        assert getattr(request, "tenant", None) is None

    with manual() as collected:
        signal.send(None, request=rf.get("/"))
        with pytest.warns(StaleInstanceWarning, match=r"'tests.asks' .* request\.tenant did not"):
            collected.run_deferred()
