"""Snapshots of a model that changed between send and run: an older or newer worker reads them."""

import json
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from deferred_signals import DecodeError
from deferred_signals.serialization import CODEC, Snapshot, complete
from tests.app.models import Order

pytestmark = pytest.mark.django_db


def form_of(order: Order, state: Any = "saved") -> Any:
    return json.loads(json.dumps(CODEC.encode(Snapshot(order, state))))


def back(form: Any) -> Any:
    return complete({"row": CODEC.decode(form)}, {})["row"]


def test_field_that_the_worker_does_not_have_is_dropped() -> None:
    form = form_of(Order(status="new"), "unsaved")
    form["$row"][3]["removed_since"] = {"$decimal": "7"}
    row = back(form)
    assert row.status == "new"
    assert not hasattr(row, "removed_since")


def test_field_that_the_sender_did_not_have_is_deferred(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    form = form_of(Order.objects.create(total=7))
    del form["$row"][3]["total"]
    row = back(form)
    assert row.get_deferred_fields() == {"total"}
    with django_assert_num_queries(1):
        assert row.total == 7


@pytest.mark.parametrize(
    "break_it",
    [
        lambda parts: parts.__setitem__(0, "tests_app.Removed"),
        lambda parts: parts.__setitem__(1, "imagined"),
        lambda parts: parts.__setitem__(2, "nowhere"),
        lambda parts: parts.__setitem__(3, 7),
        lambda parts: parts.__setitem__(3, {"total": {"$field": "no number"}}),
        lambda parts: parts.pop(),
        lambda parts: parts.append(1),
    ],
    ids=["model", "state", "database", "fields", "text of a field", "too few", "too many"],
)
def test_broken_snapshot_is_a_decode_error(break_it: Any) -> None:
    form = form_of(Order(status="new"), "unsaved")
    break_it(form["$row"])
    with pytest.raises(DecodeError):
        back(form)
