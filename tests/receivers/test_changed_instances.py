"""Whatever projects do to instances: `changed()` fails none of it, and is not misled by it."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import serializers
from django.db import IntegrityError, transaction
from django.db.models.base import ModelState
from django.db.models.signals import post_save

from deferred_signals import UNKNOWN, changed, muted
from tests.app.models import GiftOrder, Order, PaidOrder, Run, Seat, Ticket
from tests.receivers.conftest import Follow
from tests.support.connected import Connected
from tests.support.followed_models import FollowedByCode, FollowedEagerly, FollowedOddly
from tests.support.recorder import Recorder, listen, take_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager", "followed_tables")]


def pickled(row: Any) -> Any:
    return pickle.loads(pickle.dumps(row))  # noqa: S301 - of our own


def made_of_its_values(row: Order) -> Order:
    return Order(**{name: value for name, value in vars(row).items() if name != "_state"})


def test_instance_has_no_attribute_of_ours(order: Order) -> None:
    order.save()
    names = {field.attname for field in Order._meta.concrete_fields}
    assert vars(order).keys() == {*names, "_state"}
    assert made_of_its_values(order) == order


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_copy_is_compared_with_what_was_loaded(
    duplicate: Callable[[Order], Order], order: Order, of_status: Recorder
) -> None:
    other = duplicate(order)
    other.save()
    assert of_status.calls == []
    other.status = "paid"
    other.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]
    order.save()  # this instance knows nothing of the other's save
    assert of_status.calls == []
    order.status = "sent"
    order.save()
    assert take_changes(of_status) == [{"status": ("new", "sent")}]


def test_pickle_can_be_read_without_the_library(order: Order) -> None:
    order.status = "paid"
    order.save()
    assert b"deferred_signals." not in pickle.dumps(order)


def test_pickle_of_a_row_from_before_it_was_followed_is_unknown(
    order: Order, of_status: Recorder
) -> None:
    del order._state.deferred_signals_notes  # type: ignore[attr-defined]  # ours
    order.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "new")}]
    order.save()
    assert take_changes(of_status) == []


def as_new(order: Order) -> Order:
    order.pk = None
    return order


def as_adding(order: Order) -> Order:
    order.pk = None
    order._state.adding = True
    return order


def with_a_new_state(order: Order) -> Order:
    order.pk = None
    order._state = ModelState()
    return order


@pytest.mark.parametrize("renew", [as_new, as_adding, with_a_new_state])
def test_copy_as_a_new_row_has_changed_from_none(
    renew: Callable[[Order], Order], order: Order, of_status: Recorder
) -> None:
    new = renew(order)
    new.save()
    new.save()
    assert take_changes(of_status) == [{"status": (None, "new")}]
    new.status = "paid"
    new.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]


def test_row_that_is_written_over_another_one_is_unknown(order: Order, of_status: Recorder) -> None:
    other = Order.objects.create(status="sent")
    of_status.clear()
    order.pk = other.pk
    order.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "new")}]


@pytest.mark.parametrize("adding", [True, False])
def test_row_that_is_updated_without_being_loaded_is_unknown(
    adding: bool, order: Order, of_status: Recorder
) -> None:
    made = Order(pk=order.pk, status="paid")
    made._state.adding = adding
    made.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "paid")}]
    made.status = "sent"
    made.save()
    assert take_changes(of_status) == [{"status": ("paid", "sent")}]


def test_row_that_was_made_and_then_read_is_known(order: Order, of_status: Recorder) -> None:
    made = Order(pk=order.pk, status="paid")
    made.refresh_from_db()
    made.save()
    assert of_status.calls == []
    made.status = "paid"
    made.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]


def test_row_with_a_key_of_its_own_has_changed_from_none(follow: Follow) -> None:
    of_code, of_subject = follow(FollowedByCode, "state"), follow(Ticket, "subject")
    parcel = FollowedByCode.objects.create(code="a")
    parcel.save()
    ticket = Ticket(subject="one")
    ticket.subject = "two"
    ticket.save()
    ticket.save()
    assert take_changes(of_code) == [{"state": (None, "new")}]
    assert take_changes(of_subject) == [{"subject": (None, "two")}]


def test_row_that_the_database_refused_is_told_when_it_is_saved_at_last(follow: Follow) -> None:
    recorder = follow(FollowedByCode, "state")
    FollowedByCode.objects.create(code="a", state="old")
    recorder.clear()
    parcel = FollowedByCode(code="a", state="new")
    with pytest.raises(IntegrityError), transaction.atomic():
        parcel.save(force_insert=True)
    parcel.save()
    assert take_changes(recorder) == [{"state": (UNKNOWN, "new")}]


def test_row_with_a_key_of_two_columns_is_followed(follow: Follow) -> None:
    recorder = follow(Seat, "taken")
    Seat.objects.create(row="A", number=1)
    seat = Seat.objects.get()
    seat.taken = True
    seat.save()
    assert take_changes(recorder) == [{"taken": (None, False)}, {"taken": (False, True)}]
    seat.number = 2
    seat.save()
    assert take_changes(recorder) == [{"taken": (None, True)}]


def test_rows_that_are_written_in_bulk_are_not_taken_for_what_they_were_made_with(
    of_status: Recorder,
) -> None:
    made = Order(status="new")
    made.status = "sent"
    (made,) = Order.objects.bulk_create([made])
    made.status = "new"
    made.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "new")}]


def test_signal_that_is_sent_by_hand_after_a_bulk_update_tells_of_the_change(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    Order.objects.bulk_update([order], ["status"])
    post_save.send(Order, instance=order, created=False)
    order.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]


def test_signal_may_be_sent_by_hand_with_anything(of_status: Recorder) -> None:
    for instance in (None, object(), 7):
        post_save.send(Order, instance=instance, created=True)
    assert of_status.calls == []


def test_update_or_create_tells_what_it_changed(order: Order, of_status: Recorder) -> None:
    Order.objects.update_or_create(pk=order.pk, defaults={"status": "paid"})
    Order.objects.update_or_create(pk=order.pk, defaults={"status": "paid"})
    Order.objects.update_or_create(pk=10**6, defaults={"status": "sent"})
    assert take_changes(of_status) == [{"status": ("new", "paid")}, {"status": (None, "sent")}]


@pytest.mark.parametrize("load", ["only", "defer"])
def test_field_that_is_set_without_being_loaded_was_unknown(
    load: str, order: Order, of_status: Recorder
) -> None:
    names = {"only": "total", "defer": "status"}
    lazily = getattr(Order.objects, load)(names[load]).get()
    lazily.status = "new"
    lazily.save()
    lazily.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "new")}]


def test_refresh_from_a_query_forgets_no_change_of_what_it_leaves_out(
    order: Order, of_status: Recorder
) -> None:
    order.status = "paid"
    order.refresh_from_db(from_queryset=Order.objects.only("total"))
    order.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]


def test_refresh_of_a_model_that_hides_its_arguments_is_followed(follow: Follow) -> None:
    recorder = follow(FollowedOddly, "name", "other")
    pk = FollowedOddly.objects.create(name="a", other="b").pk
    row = FollowedOddly.objects.get(pk=pk)
    assert row.loaded  # type: ignore[attr-defined]  # the model's own from_db() ran
    recorder.clear()
    row.name = "c"
    row.refresh_from_db(fields=["other"])
    row.save()
    assert take_changes(recorder) == [{"name": ("a", "c")}]
    FollowedOddly.objects.update(other="d")
    row.refresh_from_db(None, ["other"])
    row.save()
    assert take_changes(recorder) == []
    assert row.refreshed


def test_deferred_field_that_is_loaded_while_the_row_is_made_is_known(follow: Follow) -> None:
    recorder = follow(FollowedEagerly, "name", "other")
    FollowedEagerly.objects.create(name="a", other="b")
    recorder.clear()
    row = FollowedEagerly.objects.only("other").get()
    row.save()
    assert take_changes(recorder) == []
    row.name = row.other = "c"
    row.save()
    assert take_changes(recorder) == [{"name": ("a", "c"), "other": ("b", "c")}]


@pytest.mark.parametrize("notes", [{}, {"key": 7}, {"key": (), "known": {}, "claims": ()}, "?"])
def test_pickle_of_another_version_is_unknown(
    notes: Any, order: Order, of_status: Recorder
) -> None:
    order._state.deferred_signals_notes = notes  # type: ignore[attr-defined]  # ours
    order.save()
    assert take_changes(of_status) == [{"status": (UNKNOWN, "new")}]


def test_refresh_that_does_not_load_the_row_is_followed(follow: Follow) -> None:
    class WithItsOwnWay(FollowedOddly):
        class Meta:
            app_label = "tests_app"
            proxy = True

        def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
            self.name = type(self).objects.values_list("name", flat=True).get(pk=self.pk)

    recorder = follow(WithItsOwnWay, "name", "other")
    row = WithItsOwnWay.objects.get(pk=FollowedOddly.objects.create(name="a").pk)
    FollowedOddly.objects.update(name="b")
    row.other = "c"
    row.refresh_from_db()
    row.save()
    assert take_changes(recorder) == [{"other": ("", "c")}]


def test_values_that_are_put_in_by_hand_are_compared_with_those_they_came_with(
    order: Order, of_status: Recorder
) -> None:
    Order.objects.update(status="paid")
    order.__dict__.update(Order.objects.get(pk=order.pk).__dict__)
    order.save()
    assert of_status.calls == []


def test_class_that_is_exchanged_is_no_error(order: Order, follow: Follow) -> None:
    recorder = follow(PaidOrder, "status")
    order.__class__ = PaidOrder
    order.status = "paid"
    order.save()
    assert take_changes(recorder) == [{"status": ("new", "paid")}]


def test_child_of_a_row_that_is_there_has_changed_from_none(order: Order, follow: Follow) -> None:
    recorder = follow(GiftOrder, "status", "wish")
    gift = GiftOrder(order_ptr=order, status="paid", wish="a boat")
    gift.save()
    assert take_changes(recorder) == [{"status": (None, "paid"), "wish": (None, "a boat")}]


def test_fixture_is_compared_with_what_it_writes(follow: Follow) -> None:
    recorder = follow(GiftOrder, "status", "wish", raw=True)
    gift = GiftOrder.objects.create(wish="a boat")
    recorder.clear()
    text = serializers.serialize("json", [gift]).replace("a boat", "a kite")
    for loaded in serializers.deserialize("json", text):
        loaded.save()
    assert take_changes(recorder) == [{"wish": (UNKNOWN, "a kite")}]


def test_two_receivers_of_one_model_are_each_told_of_their_fields(follow: Follow) -> None:
    of_status, of_total, of_both = (
        follow(Order, "status"),
        follow(Order, "total"),
        follow(Order, "status", "total"),
    )
    order = Order.objects.get(pk=Order.objects.create(total=1).pk)
    for recorder in (of_status, of_total, of_both):
        recorder.clear()
    order.status, order.total = "paid", 2
    order.save(update_fields=["status"])
    order.save()
    assert take_changes(of_status) == [{"status": ("new", "paid")}]
    assert take_changes(of_total) == [{"total": (1, 2)}]
    assert take_changes(of_both) == [{"status": ("new", "paid")}, {"total": (1, 2)}]


def test_field_that_is_asked_for_after_the_row_was_loaded_was_unknown(follow: Follow) -> None:
    run = Run.log("x")
    recorder = follow(Run, "attempt")  # by this test alone: a model is followed for ever
    run.save()
    run.save()
    assert take_changes(recorder) == [{"attempt": (UNKNOWN, 1)}]


def test_muted_save_is_not_told_later(order: Order, of_status: Recorder) -> None:
    with muted():
        order.status = "paid"
        order.save()
    order.save()
    assert of_status.calls == []


def test_condition_may_be_part_of_another_one(defer: Connected) -> None:
    paid = changed("status", to="paid")
    # The field is followed for another receiver, but not for a callable of the project's own.
    listen(defer, post_save, sender=Order, when=paid)
    recorder = listen(
        defer,
        post_save,
        sender=Order,
        when=lambda sender, instance, **kwargs: (
            paid(sender, instance=instance, **kwargs) and instance.total > 1
        ),
    )
    for total in (1, 2):
        order = Order.objects.create(total=total)
        order.status = "paid"
        order.save()
        order.save()
    assert [call["instance"].total for call in recorder.calls] == [2]
    assert not paid(Order, created=True)


def test_async_saves_and_refreshes_are_followed(order: Order, of_status: Recorder) -> None:
    async def act() -> None:
        order.status = "paid"
        await order.asave()
        await order.asave()
        await Order.objects.aupdate(status="sent")
        await order.arefresh_from_db(fields=["status"])
        await order.asave()
        order.status = "new"
        await order.asave(update_fields=["status"])

    async_to_sync(act)()
    assert take_changes(of_status) == [{"status": ("new", "paid")}, {"status": ("sent", "new")}]
