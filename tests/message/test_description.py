"""What is told of a message: which rows it refers to, and no values; short, on one line."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deferred_signals.message import Message
from deferred_signals.message.description import MOST_NAMES, MOST_OF_ALL, MOST_ROWS
from deferred_signals.support.escaping import quoted, shown

MESSAGE = Message(
    id="5f1c",
    receiver="shop.receivers.greet",
    signal="shop.signals.order_placed",
    sender=None,
    kwargs={},
    using="default",
    sent_at=datetime(2026, 1, 31, tzinfo=UTC),
)


def described(sender: Any = None, **kwargs: Any) -> str:
    """Describe the kwargs of a message."""
    whole = replace(MESSAGE, kwargs=kwargs, sender=sender).describe()
    assert whole.startswith("shop.receivers.greet(")
    return whole.removeprefix("shop.receivers.greet")


def ref(key: Any, label: Any = "tests_app.Order") -> dict[str, Any]:
    return {"$ref": [label, key, "default"]}


def row(fields: Any, state: Any = "deleted", label: Any = "tests_app.Order") -> dict[str, Any]:
    return {"$row": [label, state, "default", fields]}


def test_rows_are_told_by_label_and_key_and_other_kwargs_by_name() -> None:
    told = described(instance=ref(7), user=ref(3, "auth.User"), total={"$decimal": "19.90"})
    assert told == "(instance=tests_app.Order 7, user=auth.User 3, total)"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ([ref(1), [ref(2)]], "=[tests_app.Order 1, tests_app.Order 2]"),
        ({"$tuple": [1, ref(1)]}, "=tests_app.Order 1"),
        ({"a": {"b": ref(1)}}, "=tests_app.Order 1"),
        ({"$dict": [[ref(1), 1], [2, ref(2)]]}, "=[tests_app.Order 1, tests_app.Order 2]"),
        (
            {"$carrying": [ref(1), {"_by": ref(3, "auth.User")}]},
            "=[tests_app.Order 1, auth.User 3]",
        ),
        ({"$carrying": [row({"id": 1}), {"_by": "x"}]}, "=tests_app.Order 1"),
        ({"$file": [ref(1, "tests_app.Line"), "document", "7.pdf"]}, "=tests_app.Line 1"),
        ({"$request": {"method": "GET", "user": ref(3, "auth.User")}}, "=auth.User 3"),
        (
            {"$rows": ["tests_app.Order", [1, 2], "default"]},
            "=[tests_app.Order 1, tests_app.Order 2]",
        ),
        ({"$money": [1, ref(1)]}, "=tests_app.Order 1"),
        ({"$norows": "tests_app.Order"}, ""),
        ({"$dict": [["$ref", ["tests_app.Order", 7, "default"]]]}, ""),
        ({"$ref": "x"}, ""),
        ({"$ref": []}, ""),
    ],
    ids=str,
)
def test_rows_are_found_wherever_they_are(form: Any, told: str) -> None:
    assert described(x=form) == f"(x{told})"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (row({"id": 7, "status": "swordfish"}), "tests_app.Order 7"),
        (row({"id": 7}, "saved", "tests_app.PaidOrder"), "tests_app.PaidOrder 7"),
        (
            row({"order_ptr_id": 7, "id": 7}, "saved", "tests_app.GiftOrder"),
            "tests_app.GiftOrder 7",
        ),
        (row({"row": "A", "number": 3}, "saved", "tests_app.Seat"), "tests_app.Seat ('A', 3)"),
        (row({"id": None}, "unsaved"), "tests_app.Order unsaved"),
        (row({"id": None}), "tests_app.Order None"),
        (row({}), "tests_app.Order ?"),
        (row({"id": 7}, "saved", "gone.Model"), "gone.Model ?"),
        (row({"row": "A"}, "saved", "tests_app.Seat"), "tests_app.Seat ?"),
        (row("x"), "tests_app.Order ?"),
    ],
    ids=str,
)
def test_snapshot_is_told_by_its_key_alone(form: Any, told: str) -> None:
    assert described(x=form) == f"(x={told})"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (7, "7"),
        (-1, "-1"),
        ("fragile", "'fragile'"),
        ("7, user=auth.User 3", "'7, user=auth.User 3'"),
        ("it's", r"'it\'s'"),
        ("back\\", r"'back\\'"),
        ("été", "'été'"),
        ("a\nERROR b", r"'a\nERROR b'"),
        ("\x1b[31m\r\u2028\u202e\ud800", r"'\x1b[31m\r\u2028\u202e\ud800'"),
        ({"$uuid": "12345678123456781234567812345678"}, "12345678-1234-5678-1234-567812345678"),
        ({"$uuid": "x\n"}, r"'x\n'"),
        ({"$int": "0xffffffffffffffffff"}, "4722366482869645213695"),
        ({"$tuple": ["A", 3]}, "('A', 3)"),
        ({"$date": "2026-01-31"}, "2026-01-31"),
        ({"$datetime": ["2026-01-31T12:00:00", 0, "Europe/Vienna"]}, "2026-01-31T12:00:00"),
        ({"$decimal": "1\n5"}, r"1\n5"),
        ({"$text": "7aCA"}, "'7aCA'"),
        (None, "None"),
        (True, "True"),
        (10**5000, "?"),
        ({"a": 1, "b": 2}, "?"),
        ([[[[[1]]]]], "(((?)))"),
    ],
    ids=lambda value: repr(value)[:30] if not isinstance(value, int) else "int",
)
def test_key_is_escaped(key: Any, told: str) -> None:
    assert described(x=ref(key)) == f"(x=tests_app.Order {told})"


def test_long_key_is_cut() -> None:
    assert described(x=ref("k" * 1000)) == f"(x=tests_app.Order '{'k' * 40}...')"
    assert len(described(x=ref("\0" * 1000))) < 100


@pytest.mark.parametrize(
    "label", ["tests_app.Order\n", "tests_app.Order 7, x", "a" * 1000, "", None, 7, ["a"]]
)
def test_label_is_escaped(label: Any) -> None:
    told = described(x=ref(7, label))
    assert told.isprintable()
    assert len(told) < 150
    assert told != "(x=tests_app.Order 7, x 7)"


def test_names_are_escaped_and_cut() -> None:
    assert described(**{"a\nb": 1, "x, y": 2, "z=auth.User 3": 3}) == (
        r"('a\nb', 'x, y', 'z=auth.User 3')"
    )
    assert described(**{"n" * 1000: 1}) == f"({'n' * 40}...)"


def test_receiver_is_escaped_and_cut() -> None:
    assert replace(MESSAGE, receiver="greet\nERROR").describe() == r"greet\nERROR()"
    assert len(replace(MESSAGE, receiver="g" * 1000).describe()) < 250


def test_sender_is_told_where_it_is_a_row() -> None:
    assert described(ref(7), a=1) == "(a, sender=tests_app.Order 7)"
    assert described({"$model": "tests_app.Order"}, a=1) == "(a)"


def test_repr_is_the_description() -> None:
    message = replace(
        MESSAGE, kwargs={"card": "swordfish", "x": ref(7)}, context={"t": "swordfish"}
    )
    assert repr(message) == message.describe() == "shop.receivers.greet(card, x=tests_app.Order 7)"
    assert "swordfish" not in f"{message} {message!r} {[message]}"


def test_description_of_a_large_message_is_short() -> None:
    many = described(**{f"name_{n:04}": ref(n) for n in range(1000)})
    assert many.count("tests_app.Order") == MOST_ROWS
    assert many.count("name_") == MOST_NAMES
    assert many.endswith(", ...)")
    rows = described(rows=[ref(n) for n in range(1000)], last=1)
    assert rows.count("tests_app.Order") == MOST_ROWS
    assert rows.endswith("], last, ...)")
    longest = described(**{"n" * 40 + str(n): [ref("k" * 99, "a." + "l" * 98)] for n in range(99)})
    assert len(longest) < MOST_OF_ALL + 10


def test_row_behind_too_many_values_is_not_looked_for() -> None:
    assert (
        described(numbers=list(range(100_000)), x=ref(7)) == "(numbers, x=tests_app.Order 7, ...)"
    )
    assert described(deep=[[0] * 9_000, [0] * 9_000, [ref(7)]]) == "(deep, ...)"


def test_value_that_contains_itself_is_described() -> None:
    inside: list[Any] = []
    inside += [inside, ref(7)]
    assert described(x=inside).startswith("(x")


def test_message_that_is_made_of_anything_is_described() -> None:
    odd: Any = {"receiver": 7, "kwargs": ["a"], "sender": object()}
    assert replace(MESSAGE, **odd).describe() == "?(?)"
    odd = {"kwargs": {7: 1, None: ref(7)}}
    assert replace(MESSAGE, **odd).describe() == "shop.receivers.greet(?, ?=tests_app.Order 7)"


def test_shown_text_is_cut_after_it_is_escaped() -> None:
    assert shown("\n" * 10, 4) == r"\n\n..."
    assert shown("a" * 4, 4) == "aaaa"
    assert shown("a" * 5, 4) == "aaaa..."
    assert quoted("'" * 10, 4) == r"'\'\'...'"
