"""The kwargs of two sends made those of one: by Django's names, in Django's shapes."""

from typing import Any

import pytest

from deferred_signals.serialization import CODEC, merge_kwargs


def merged(*sends: dict[str, Any]) -> dict[str, Any]:
    """Merge the encoded forms, and return what a receiver gets."""
    first, *others = (CODEC.encode_values(kwargs) for kwargs in sends)
    for kwargs in others:
        first = merge_kwargs(first, kwargs)
    return CODEC.decode_values(first)


@pytest.mark.parametrize(
    ("name", "earlier", "later", "expected"),
    [
        ("created", True, False, True),
        ("created", False, True, True),
        ("created", False, False, False),
        ("update_fields", frozenset({"a"}), frozenset({"b"}), frozenset({"a", "b"})),
        ("update_fields", frozenset({"a"}), None, None),
        ("update_fields", None, frozenset({"a"}), None),
        ("update_fields", None, None, None),
        ("update_fields", ["a", "b"], ["b", "c"], ["a", "b", "c"]),
        ("update_fields", {"a"}, frozenset({"b"}), frozenset({"a", "b"})),
        ("pk_set", {1, ("A", 1)}, {("A", 1), ("A", 2)}, {1, ("A", 1), ("A", 2)}),
        ("pk_set", {1}, None, None),
        ("changes", {"a": (1, 2)}, {"a": (2, 3)}, {"a": (1, 3)}),
        ("changes", {"a": (1, 2)}, {"a": (2, 1)}, {"a": (1, 1)}),
        ("changes", {"a": (1, 2)}, {"b": (1, 2)}, {"a": (1, 2), "b": (1, 2)}),
        ("changes", {"größe": (1, 2)}, {"b": (3, 4)}, {"größe": (1, 2), "b": (3, 4)}),
        ("changes", {"b": (3, 4)}, {"größe": (1, 2)}, {"größe": (1, 2), "b": (3, 4)}),
        ("total", 1, 2, 2),
    ],
)
def test_rule_of_a_name(name: str, earlier: object, later: object, expected: object) -> None:
    assert merged({name: earlier}, {name: later}) == {name: expected}


@pytest.mark.parametrize(
    ("name", "earlier", "later"),
    [
        ("created", True, "2026-01-31"),
        ("created", "2026-01-31", False),
        ("created", 1, 0),
        ("update_fields", "a", frozenset({"b"})),
        ("update_fields", frozenset({"b"}), "a"),
        ("update_fields", None, "a"),
        ("update_fields", {"a": 1}, {"b": 2}),
        ("changes", {"a": (1, 2)}, ["a"]),
        ("changes", ["a"], {"a": (1, 2)}),
        ("changes", {"a": 1}, {"b": 2}),
        ("changes", {"a": (1, 2, 3)}, {"b": (1, 2)}),
        ("changes", {1: (1, 2)}, {2: (1, 2)}),
        ("changes", {"a": {"$tuple": [1, 2]}}, {"b": (1, 2)}),
    ],
)
def test_name_in_another_shape_than_djangos_is_the_later_sends(
    name: str, earlier: object, later: object
) -> None:
    assert merged({name: earlier}, {name: later}) == {name: later}


def test_value_of_a_type_of_ones_own_is_not_taken_apart() -> None:
    earlier, later = ({"changes": {"$point": {"$tuple": pair}}} for pair in ([1, 2], [3, 4]))
    assert merge_kwargs(earlier, later) == later


@pytest.mark.parametrize(
    ("name", "value"), [("created", True), ("update_fields", None), ("changes", {"a": (1, 2)})]
)
def test_name_that_only_one_send_has_is_kept(name: str, value: object) -> None:
    assert merged({name: value}, {"total": 1}) == {"total": 1, name: value}
    assert merged({"total": 1}, {name: value}) == {name: value}


def test_other_name_that_only_the_earlier_send_has_is_not_kept() -> None:
    assert merged({"total": 1}, {"number": 2}) == {"number": 2}


def test_merging_alters_neither_send() -> None:
    earlier = CODEC.encode_values({"changes": {"a": (1, 2)}, "update_fields": {"a"}})
    later = CODEC.encode_values({"changes": {"a": (2, 3)}, "update_fields": {"b"}})
    before = repr((earlier, later))
    merge_kwargs(earlier, later)
    assert repr((earlier, later)) == before
