"""Receivers for checks to read, never run. Whatever they read is there on the worker."""

# ruff: noqa: PLC3002, SLF001, T201

from __future__ import annotations

from typing import Any

from tests.app.models import Line, Order, Ticket


def fields_and_relations(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(instance.status, instance.labels.all(), instance.get_deferred_fields(), instance.id)
    print(instance.pk, instance._state.db, instance._meta.label, instance.lines.count())
    print(instance.__class__.__name__, instance.__dict__, sender.__name__, sender.objects)


def writes_first(sender: Any, instance: Any, **kwargs: Any) -> None:
    instance._seen = True
    print(instance._seen)


def writes_first_with_setattr(sender: Any, instance: Any, **kwargs: Any) -> None:
    setattr(instance, "_seen", True)  # noqa: B010 - one of the ways
    print(getattr(instance, "_seen", None))


def keeps_a_note(sender: Any, instance: Any, **kwargs: Any) -> None:
    if not hasattr(instance, "_note"):
        instance._note = instance.labels.count()
    print(instance._note)


def looks_at_something_else(sender: Any, instance: Any, **kwargs: Any) -> None:
    orders: Any = Order
    instance = orders.objects.filter(pk=instance.pk).annotate().get()
    print(instance._annotated)
    for instance in orders.objects.all():
        print(instance._annotated)
    print([instance._annotated for instance in orders.objects.all()])
    with orders.opened() as instance:
        print(instance._annotated)


def is_of_several_models(sender: Any, instance: Any, **kwargs: Any) -> None:
    if isinstance(instance, Order):
        print(instance.total)
    elif isinstance(instance, Ticket):
        print(instance.subject)


def follows_one(sender: Any, instance: Any, **kwargs: Any) -> None:
    if isinstance(instance, Line):
        instance = instance.order
    print(instance.total)


def shadowed(sender: Any, instance: Any, **kwargs: Any) -> None:
    def tell(instance: Any) -> None:
        print(instance._whatever)

    tell(Order())
    print((lambda instance: instance._whatever)(kwargs["other"]))


def uses_a_mapping(sender: Any, instance: Any, **kwargs: Any) -> None:
    print(kwargs["update_fields"], kwargs.get("created"), kwargs.items(), kwargs["raw"] and 1)


ALL = [
    fields_and_relations,
    writes_first,
    writes_first_with_setattr,
    keeps_a_note,
    looks_at_something_else,
    shadowed,
    uses_a_mapping,
]
