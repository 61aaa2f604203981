"""A list of models as `sender`: each model is connected, followed and disconnected by itself."""

from typing import Any

import pytest
from django.db.models.signals import m2m_changed, post_delete, post_save

from deferred_signals import InvalidReceiver, changed, connect
from deferred_signals.receivers import registry
from tests.app.models import Label, Order, PaidOrder, Ticket
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def senders(recorder: Recorder) -> list[Any]:
    return [call["sender"] for call in recorder.calls]


def test_saves_of_each_model_are_deferred_and_of_no_other(defer: Connected) -> None:
    got = listen(defer, post_save, sender=[Order, Label])
    Order.objects.create()
    Label.objects.create(name="blue")
    Ticket.objects.create(subject="help")
    PaidOrder.objects.create()
    assert senders(got) == [Order, Label]


def test_several_signals_of_several_models_are_one_receiver(defer: Connected) -> None:
    got = listen(
        defer, [post_save, post_delete], name="tests.many", sender=("tests_app.Order", Label)
    )
    Label.objects.create(name="blue")
    Order.objects.create().delete()
    assert [(call["sender"], call["signal"]) for call in got.calls] == [
        (Label, post_save),
        (Order, post_save),
        (Order, post_delete),
    ]
    assert len(registry.get("tests.many").connections) == 4


def test_throughs_of_several_relations_are_heard(defer: Connected) -> None:
    got = listen(defer, m2m_changed, sender=[Order.labels.through])
    Order.objects.create().labels.add(Label.objects.create(name="blue"))
    assert senders(got) == [Order.labels.through]


def test_changes_of_each_model_are_told(defer: Connected) -> None:
    got = listen(defer, post_save, sender=[Order, "tests_app.PaidOrder"], when=changed("status"))
    for model in (Order, PaidOrder):
        row = model.objects.create()
        row = model.objects.get(pk=row.pk)
        row.status = "sent"
        row.save()
        row.save()
    assert senders(got) == [Order, Order, PaidOrder, PaidOrder]
    assert [call["changes"]["status"] for call in got.calls[1::2]] == [("new", "sent")] * 2


def test_field_that_one_of_the_models_lacks_is_refused() -> None:
    def receive(sender: object, **kwargs: object) -> None: ...

    with pytest.raises(InvalidReceiver, match="Label has no field 'status'"):
        connect(
            post_save, receive, name="tests.lacks", sender=[Order, Label], when=changed("status")
        )
    assert registry.find("tests.lacks") is None
    assert not any(
        getattr(found, "name", "") == "tests.lacks"
        for found, _ in post_save.send(Order, instance=Order(), raw=True)
    )


def test_model_that_is_disconnected_is_not_heard_any_more(defer: Connected) -> None:
    got = listen(defer, post_save, sender=[Order, Label])
    assert post_save.disconnect(got, sender=Order)
    Order.objects.create()
    Label.objects.create(name="blue")
    assert senders(got) == [Label]
