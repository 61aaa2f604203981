"""What the library reads of Django's signals and models, which Django does not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ReferenceType

import pytest
from django.apps import apps
from django.db.models import ForeignKey
from django.db.models.signals import m2m_changed, post_init
from django.dispatch import Signal

from deferred_signals.receivers.naming import identity
from tests.app.models import Article, Comment, Order, Seat


class Owner:
    """Has a receiver."""

    def receive(self, **kwargs: Any) -> None: ...


def test_item_of_receivers_begins_with_the_key_and_the_callable() -> None:
    signal, receive = Signal(), Owner().receive
    signal.connect(receive, sender=Order, dispatch_uid="x", weak=False)
    key, held = signal.receivers[0][:2]
    assert key == ("x", id(Order))
    assert held == receive


def test_callable_that_is_connected_weakly_is_a_reference() -> None:
    signal, owner = Signal(), Owner()
    signal.connect(owner.receive)
    key, held = signal.receivers[0][:2]
    assert key == (identity(owner.receive), identity(None))
    assert isinstance(held, ReferenceType)
    assert held() == owner.receive


def test_model_that_is_not_there_is_a_lookup_error_and_loads_nothing() -> None:
    label = Order._meta.app_label
    assert apps.get_registered_model(label, "order") is Order
    with pytest.raises(LookupError):
        apps.get_registered_model(label, "nobody")


@contextmanager
def made() -> Iterator[list[Any]]:
    """Note the instances of `Order` that are made in the block."""
    found: list[Any] = []

    def note(instance: Any, **kwargs: Any) -> None:
        found.append(instance)

    post_init.connect(note, sender=Order)
    try:
        yield found
    finally:
        post_init.disconnect(note, sender=Order)


@pytest.mark.django_db
def test_refresh_loads_the_row_as_another_instance() -> None:
    order = Order.objects.create()
    with made() as found:
        order.refresh_from_db()
    (other,) = found
    assert other is not order
    assert other == order


def test_fields_of_a_key_are_listed() -> None:
    for model in (Order, Seat):
        options: Any = model._meta
        names = [field.name for field in options.pk_fields]
        assert names == [
            field.name for field in options.concrete_fields if field in options.pk_fields
        ]
        assert names


def test_relation_names_the_fields_of_its_through_model() -> None:
    field: Any = Comment._meta.get_field("tags")
    through = field.remote_field.through
    names = {item.name for item in through._meta.concrete_fields if isinstance(item, ForeignKey)}
    assert {field.m2m_field_name(), field.m2m_reverse_field_name()} == names
    assert field in Comment._meta.many_to_many
    assert not field.remote_field.symmetrical


@pytest.mark.django_db
def test_clear_tells_no_keys() -> None:
    told: list[Any] = []

    def note(action: str, pk_set: Any, **kwargs: Any) -> None:
        told.append((action, pk_set))

    through: Any = Order.labels.through
    m2m_changed.connect(note, sender=through)
    Order.objects.create().labels.clear()
    m2m_changed.disconnect(note, sender=through)
    assert told == [("pre_clear", None), ("post_clear", None)]


def test_generic_foreign_key_is_a_private_field_that_names_its_two() -> None:
    kinds = [
        field
        for model in apps.get_models()
        for field in model._meta.private_fields
        if hasattr(field, "ct_field")
    ]
    assert all(isinstance(getattr(field, "fk_field", None), str) for field in kinds)
    assert isinstance(Article._meta.private_fields, list)
