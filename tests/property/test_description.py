"""Any message is described on one short line, and without an error."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deferred_signals.message import Message
from deferred_signals.message.description import MOST_OF_ALL
from tests.property.strategies import json_values, texts

labels = st.sampled_from(
    ["tests_app.Order", "tests_app.Seat", "tests_app.Ticket", "auth.User", "gone.Model"]
)

#: What looks like a row, and may be none.
rows = st.one_of(
    st.tuples(st.sampled_from(["$ref", "$rows"]), st.lists(json_values, max_size=4)),
    st.tuples(st.just("$ref"), st.tuples(labels, json_values, texts).map(list)),
    st.tuples(st.just("$rows"), st.tuples(labels, json_values, texts).map(list)),
    st.tuples(
        st.just("$row"),
        st.tuples(
            labels, texts, texts, st.dictionaries(st.sampled_from(["id", "row"]), json_values)
        ).map(list),
    ),
).map(lambda pair: {pair[0]: pair[1]})

forms = st.recursive(
    st.one_of(rows, json_values),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=10,
)


@given(st.dictionaries(texts, forms, max_size=5), forms, texts, texts)
def test_description_is_one_short_line_of_any_message(
    kwargs: dict[str, Any], sender: Any, receiver: str, id_: str
) -> None:
    message = Message(
        id=id_,
        receiver=receiver,
        signal="shop.signals.order_placed",
        sender=sender,
        kwargs=kwargs,
        using="default",
        sent_at=datetime(2026, 1, 31, tzinfo=UTC),
    )
    told = message.describe()
    assert told.isprintable()
    assert len(told) < MOST_OF_ALL + 300
    assert repr(message) == told
