"""What the library needs of Django's fields and Python's enums, and they do not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

from enum import Enum, EnumType
from typing import Any

import pytest
from django.db import models

from deferred_signals.serialization import CODEC
from deferred_signals.serialization.trusted_fields import stays_behind
from tests.app.fields import PickledField
from tests.app.models import Line, Order


class SaysOtherwise(EnumType):
    """A metaclass that runs code where an enum is asked for its members."""

    @property
    def __members__(cls) -> Any:
        raise AssertionError("asked")


class Asked(Enum, metaclass=SaysOtherwise):
    """An enum with such a metaclass."""

    ONE = 1


def test_members_are_read_by_the_property_of_pythons_own_metaclass() -> None:
    assert CODEC.decode(CODEC.encode(Asked.ONE)) is Asked.ONE


@pytest.mark.django_db
def test_save_of_a_row_that_lacks_fields_names_those_that_it_has() -> None:
    told: list[Any] = []

    def listen(update_fields: Any, **_: object) -> None:
        told.append(update_fields)

    order = Order.objects.only("status").get(pk=Order.objects.create().pk)
    models.signals.pre_save.connect(listen, sender=Order)
    try:
        order.save()
    finally:
        models.signals.pre_save.disconnect(listen, sender=Order)
    assert told == [frozenset({"status"})]


def generated() -> Any:
    """Make a field whose values another one reads."""
    return models.GeneratedField(
        expression=models.Value(""), output_field=PickledField(), db_persist=True
    )


def array() -> Any:
    """Make a field whose items another one reads."""
    postgres = pytest.importorskip("django.contrib.postgres.fields", reason="needs psycopg")
    found: Any = postgres.ArrayField(PickledField())
    return found


@pytest.mark.parametrize("make", [generated, array])
def test_field_that_hands_values_to_a_field_with_code_of_its_own_stays_behind(make: Any) -> None:
    assert stays_behind(make()) is not None


def test_array_of_plain_items_travels() -> None:
    postgres = pytest.importorskip("django.contrib.postgres.fields", reason="needs psycopg")
    assert stays_behind(postgres.ArrayField(models.IntegerField())) is None


def test_file_of_a_row_is_made_by_the_fields_own_class() -> None:
    field: Any = Line._meta.get_field("document")
    file = field.attr_class(Line(), field, "a.txt")
    assert type(file) is type(Line(document="a.txt").document)
    assert file.name == "a.txt"
