"""A save that is rolled back changed nothing, and the next one tells of the change anew."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.signals import post_save
from django.test import TestCase, override_settings
from pytest_django import DjangoCaptureOnCommitCallbacks

from deferred_signals import UNKNOWN, changed
from tests.app.models import GiftOrder, Label, Order
from tests.receivers.conftest import MakeOrder
from tests.support.connected import Connected
from tests.support.recorder import Recorder, changes, listen
from tests.support.rollbacks import Stop, roll_back

pytestmark = pytest.mark.usefixtures("eager")

#: The same rules hold in a `TestCase`, whose own blocks do not count.
everywhere = pytest.mark.parametrize(
    "where",
    [
        pytest.param("transactions", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("testcase", marks=pytest.mark.django_db),
    ],
)
in_transactions = pytest.mark.django_db(transaction=True)


def save(order: Order, status: str) -> None:
    order.status = status
    order.save()


def pickled(order: Order) -> Order:
    copied: Order = pickle.loads(pickle.dumps(order))  # noqa: S301 - of our own
    return copied


@everywhere
def test_save_that_was_rolled_back_is_told_when_it_is_tried_again(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic():
        save(order, "paid")
        roll_back()
    assert of_status.calls == []
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]
    order.save()
    assert len(of_status.calls) == 1


@everywhere
def test_save_of_a_block_that_was_rolled_back_is_told_when_it_is_tried_again(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with transaction.atomic():
        save(order, "paid")
        with pytest.raises(Stop), transaction.atomic():
            save(order, "sent")
            roll_back()
        order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}, {"status": ("paid", "sent")}]


@everywhere
def test_save_of_an_inner_block_falls_with_the_outer_one(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic():
        with transaction.atomic():
            save(order, "paid")
        save(order, "sent")
        roll_back()
    order.save()
    assert changes(of_status) == [{"status": ("new", "sent")}]


@everywhere
def test_save_of_a_block_without_a_savepoint_falls_with_the_one_around_it(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic(), transaction.atomic(savepoint=False):
        save(order, "paid")
        roll_back()
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


@everywhere
def test_transaction_that_was_set_to_roll_back_is_told_again(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with transaction.atomic():
        save(order, "paid")
        transaction.set_rollback(True)
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


@everywhere
def test_error_of_the_database_takes_the_save_back(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    Label.objects.create(name="taken")
    order = make_order()
    with pytest.raises(IntegrityError), transaction.atomic():
        save(order, "paid")
        Label(name="taken").save(force_insert=True)
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


@everywhere
def test_saves_that_are_committed_are_what_later_ones_are_compared_with(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with transaction.atomic():
        save(order, "paid")
        order.save()
        with transaction.atomic():
            save(order, "sent")
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}, {"status": ("paid", "sent")}]


@everywhere
def test_new_row_that_was_rolled_back_is_new_again(where: str, of_status: Recorder) -> None:
    order = Order(status="new")
    with pytest.raises(Stop), transaction.atomic():
        order.save()
        roll_back()
    order.save()
    assert changes(of_status) == [{"status": (None, "new")}]


@everywhere
def test_childs_save_is_followed_through_the_block_that_django_opens(
    where: str, defer: Connected
) -> None:
    recorder = listen(defer, post_save, sender=GiftOrder, when=changed("status"))
    gift = GiftOrder.objects.get(pk=GiftOrder.objects.create().pk)
    recorder.clear()
    with pytest.raises(Stop), transaction.atomic():
        gift.status = "paid"
        gift.save()
        roll_back()
    gift.save()
    gift.save()
    assert changes(recorder) == [{"status": ("new", "paid")}]


@everywhere
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_copy_that_was_made_before_the_rollback_tells_of_the_change(
    where: str, duplicate: Callable[[Order], Order], make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic():
        save(order, "paid")
        order = duplicate(order)
        roll_back()
    order.save()
    assert changes(of_status)[0]["status"] in {("new", "paid"), (UNKNOWN, "paid")}


@everywhere
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_copy_of_a_row_whose_key_was_taken_in_a_rolled_back_save_is_unknown(
    where: str, duplicate: Callable[[Order], Order], make_order: MakeOrder, of_status: Recorder
) -> None:
    other, order = make_order(), make_order()
    Order.objects.filter(pk=other.pk).update(status="paid")
    with pytest.raises(Stop), transaction.atomic():
        order.pk = other.pk
        save(order, "sent")
        roll_back()
    order = duplicate(order)
    save(order, "new")
    assert changes(of_status) == [{"status": (UNKNOWN, "new")}]


@everywhere
def test_row_that_was_read_in_a_rolled_back_transaction_is_unknownwhere_it_differed(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic():
        order.refresh_from_db()
        Order.objects.update(status="paid")
        order.refresh_from_db()
        roll_back()
    order.save()
    order.save()
    assert changes(of_status) == [{"status": (UNKNOWN, "paid")}]


@everywhere
def test_own_save_that_was_read_back_is_no_news(
    where: str, make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    with pytest.raises(Stop), transaction.atomic():
        save(order, "paid")
        order.refresh_from_db()
        roll_back()
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


@in_transactions
def test_save_in_a_hook_of_the_commit_is_compared_with_the_committed_one(
    make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()

    def act() -> None:
        order.save()
        with pytest.raises(Stop), transaction.atomic():
            save(order, "sent")
            roll_back()
        order.save()

    with transaction.atomic():
        transaction.on_commit(act)  # runs before what tells that the save was committed
        save(order, "paid")
    order.save()
    assert changes(of_status) == [{"status": ("paid", "sent")}, {"status": ("new", "paid")}]


@in_transactions
def test_transaction_without_autocommit_is_followed(
    make_order: MakeOrder, of_status: Recorder
) -> None:
    order = make_order()
    transaction.set_autocommit(False)
    try:
        with pytest.raises(Stop), transaction.atomic():
            save(order, "paid")
            roll_back()
        with transaction.atomic():
            order.save()
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    order.save()
    assert changes(of_status) == [{"status": ("new", "paid")}]


@in_transactions
def test_saves_of_one_transaction_share_a_hook_and_leave_in_one_batch(
    make_order: MakeOrder, of_status: Recorder
) -> None:
    orders = [make_order() for _ in range(20)]
    with transaction.atomic():
        for order in orders:
            save(order, "paid")
        assert len(connection.run_on_commit) == 2
    assert len(of_status.calls) == 20


@in_transactions
@pytest.mark.parametrize("stranger", [lambda function: function(), None], ids=["other", "none"])
def test_replaced_on_commit_fails_no_save(
    stranger: Any, make_order: MakeOrder, of_status: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = make_order()
    with monkeypatch.context() as patch, transaction.atomic():
        patch.setattr(transaction, "on_commit", stranger)
        order.save()
    save(order, "paid")
    assert changes(of_status) == [{"status": ("new", "paid")}]


@pytest.mark.django_db
def test_hooks_are_not_added_in_a_testcase(
    make_order: MakeOrder, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    order = make_order()
    with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
        save(order, "paid")
        with transaction.atomic():
            save(order, "new")
    assert callbacks == []
    assert connection.execute_wrappers == []


@override_settings(DEFERRED_SIGNALS={"EAGER": True})
class DataOfAClass(TestCase):
    """Django copies what `setUpTestData` made for each test."""

    defer: Connected
    told: Recorder
    order: Order

    @classmethod
    def setUpClass(cls) -> None:
        cls.defer = Connected()
        cls.told = listen(cls.defer, post_save, sender=Order, when=changed("status"))
        cls.addClassCleanup(cls.defer.end)
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        cls.order = Order.objects.create(status="new")

    def test_row_of_the_class_is_compared_with_what_it_was_made_with(self) -> None:
        self.told.clear()
        self.order.save()
        save(self.order, "paid")
        assert changes(self.told) == [{"status": ("new", "paid")}]
