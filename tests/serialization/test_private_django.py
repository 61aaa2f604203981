"""What the library reads of Django's lazy objects and rows, which Django does not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.test import override_settings
from django.utils.functional import SimpleLazyObject, empty

from tests.app.models import Line, Order

# ruff: noqa: SLF001  # these are pinned here


@pytest.mark.django_db
def test_queryset_keeps_its_rows_once_it_was_evaluated() -> None:
    order = Order.objects.create()
    rows: Any = Order.objects.all()
    assert not rows._result_cache
    assert list(rows) == [order]
    assert rows._result_cache == [order]
    assert not rows.query.values_select
    assert Order.objects.values("pk").query.values_select == ("pk",)


def test_lazy_object_keeps_what_it_stands_for_once_it_was_set_up() -> None:
    lazy: Any = SimpleLazyObject(lambda: [7])
    assert lazy._wrapped is empty
    lazy._setup()
    assert lazy._wrapped == [7]


def test_settings_have_another_holder_while_they_are_overridden() -> None:
    def holder() -> Any:
        return object.__getattribute__(settings, "_wrapped")

    before = holder()
    with override_settings(DEFERRED_SIGNALS={"MAX_DEPTH": 2}):
        assert holder() is not before
        assert vars(holder())["DEFERRED_SIGNALS"] == {"MAX_DEPTH": 2}
    assert holder() is before


class Asked(dict[str, Any]):
    """Says that it was asked."""

    def __contains__(self, name: object) -> bool:
        raise KeyError(name)


@pytest.mark.django_db
def test_field_that_is_missing_is_looked_for_among_prefetched_objects_first() -> None:
    order = Order.objects.only("pk").get(pk=Order.objects.create().pk)
    (missing, *_) = order.get_deferred_fields()
    vars(order)["_prefetched_objects_cache"] = Asked(some="object")
    with pytest.raises(KeyError, match=missing):
        getattr(order, missing)


def frames_of(error: BaseException) -> list[tuple[Any, Any]]:
    """Return the code of each frame, and what its variable ``instance`` is."""
    found, trace = [], error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        found.append((frame.f_code, frame.f_locals.get("instance")))
        trace = trace.tb_next
    return found


@pytest.mark.django_db
def test_relation_that_leads_nowhere_fails_in_the_descriptor_that_was_asked() -> None:
    line = Line(order_id=7)
    with pytest.raises(ObjectDoesNotExist) as forward:
        str(line.order)
    assert (ForwardManyToOneDescriptor.__get__.__code__, line) in frames_of(forward.value)
    order = Order.objects.create()
    with pytest.raises(ObjectDoesNotExist) as reverse:
        str(order.giftorder)  # its child's table
    assert (ReverseOneToOneDescriptor.__get__.__code__, order) in frames_of(reverse.value)
