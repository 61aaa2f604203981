"""Encoding and then decoding gives the value, whatever it is."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deferred_signals import DecodeError
from deferred_signals.message import Message, is_name
from deferred_signals.serialization import CODEC
from deferred_signals.support.json import size_of
from tests.property.strategies import json_values, values

TAGS = sorted({*CODEC._by_tag, *CODEC._plain_by_tag})  # noqa: SLF001 - each tag there is


def exact(value: object) -> Any:
    """Write a value so that `1`, `True` and `1.0` differ, and so do the folds of a time."""
    if isinstance(value, dict):
        return dict, [(exact(key), exact(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [exact(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(exact(item)) for item in value)
    return type(value), repr(value)


@given(values)
def test_decoding_undoes_encoding(value: object) -> None:
    wire = json.dumps(CODEC.encode(value), allow_nan=False)
    decoded = CODEC.decode(json.loads(wire))
    assert decoded == value
    assert exact(decoded) == exact(value)


@given(values)
def test_encoding_is_stable(value: object) -> None:
    once = CODEC.encode(value)
    if "$set" not in str(once) and "$frozenset" not in str(once):
        assert CODEC.encode(CODEC.decode(once)) == once


@given(json_values)
def test_any_json_is_a_value_or_a_decode_error(form: object) -> None:
    try:
        CODEC.decode(form)
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - either way is right


@given(st.sampled_from(TAGS), json_values)
def test_any_payload_of_a_tag_is_a_value_or_a_decode_error(tag: str, payload: object) -> None:
    try:
        CODEC.decode({tag: payload})
    except DecodeError as error:
        assert str(error)  # noqa: PT017 - either way is right


names = st.text(st.characters(), min_size=1, max_size=300).filter(is_name)

messages = st.builds(
    Message,
    id=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100),
    receiver=names,
    signal=names,
    sender=values.map(CODEC.encode),
    kwargs=st.dictionaries(names, values.map(CODEC.encode), max_size=3),
    using=names,
    sent_at=st.datetimes(
        min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    depth=st.integers(min_value=0, max_value=99),
    attempt=st.integers(min_value=1, max_value=99),
    redeliveries=st.integers(min_value=0, max_value=99),
)


@given(messages)
def test_wire_form_of_any_message_reads_back(message: Message) -> None:
    wire = message.to_wire()
    assert size_of(wire) > 0
    again = Message.from_wire(wire)
    assert again.to_wire() == wire


@given(st.one_of(st.text(), st.binary(), json_values.map(json.dumps)))
def test_any_payload_is_a_message_or_a_decode_error(payload: object) -> None:
    try:
        Message.from_wire(payload)
    except DecodeError as error:
        assert error.payload == payload  # noqa: PT017 - either way is right
