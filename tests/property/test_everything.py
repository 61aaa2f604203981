"""Whatever a signal may carry comes back; whatever a stranger may send is refused or read."""

import json
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import override_settings
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString
from hypothesis import example, given
from hypothesis import strategies as st

from deferred_signals import DecodeError, ExceptionSummary
from deferred_signals.message.wire import pack, unpack
from deferred_signals.serialization import Snapshot, codec_for, complete, references
from tests.app.models import GiftOrder, Label, Line, Order, PaidOrder, Run, Seat, Ticket
from tests.fuzz.places import tags_of
from tests.property.strategies import json_values, scalars, texts
from tests.support.known_types import (
    RAN,
    Bits,
    Colour,
    Frozen,
    Grade,
    Level,
    Plain,
    Point,
    Rights,
    Slotted,
    Status,
    Strict,
    Word,
    receive,
)
from tests.support.payloads import payload_of

CODEC = codec_for(receive)

SAFE_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

members = st.sampled_from(
    [*Colour, *Level, *Word, *Status, *Grade, *Rights, Rights(3), Rights(0), Bits(3)]
)
paths = st.builds(
    lambda kind, parts: kind(*parts),
    st.sampled_from([Path, PurePosixPath, PureWindowsPath]),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)),
)
small: st.SearchStrategy[Any] = st.one_of(
    scalars,
    members,
    paths,
    texts.map(SafeString),
    st.just(AnonymousUser()),
    st.builds(ExceptionSummary, type=texts, message=texts, traceback=texts),
    st.sampled_from([Order, PaidOrder, GiftOrder, Label, Ticket, Seat, Order.labels.through]),
)
hashable: st.SearchStrategy[Any] = st.recursive(
    small,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple),
        st.frozensets(inner, max_size=3),
        st.builds(Point, x=st.integers(), y=inner),
        st.builds(Frozen, key=st.integers(), inner=st.none()),
        st.just(Strict(status=Status.PAID, grades=(Grade.TOP,))),
    ),
    max_leaves=4,
)
values: st.SearchStrategy[Any] = st.recursive(
    small,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(hashable, inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3),
        st.sets(hashable, max_size=3),
        st.builds(Point, x=st.integers(), y=inner),
        st.builds(Plain, name=texts, point=st.none(), colours=st.lists(members, max_size=2)),
        st.builds(Slotted, a=st.integers(), b=st.none()),
        inner.map(lambda value: (value,)),
    ),
    max_leaves=10,
)


def there_and_back(value: object) -> Any:
    form = json.loads(json.dumps(CODEC.encode(value), allow_nan=False))
    return complete({"value": CODEC.decode(form)}, {})["value"]


def types_of(value: Any) -> Any:
    """Return the types at all depths, where the order is certain."""
    if isinstance(value, dict):
        return dict, [(types_of(key), types_of(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [types_of(item) for item in value]
    return type(value)


@given(values)
def test_value_comes_back_equal_and_of_the_same_types(value: object) -> None:
    RAN.clear()
    back = there_and_back(value)
    assert back == value
    assert types_of(back) == types_of(value)


@given(values)
def test_lazy_object_makes_no_difference(value: object) -> None:
    assert CODEC.encode([SimpleLazyObject(lambda: value)]) == CODEC.encode([value])


rows = st.one_of(
    st.builds(Order, pk=st.integers(1, 2**40), status=SAFE_TEXT, total=st.decimals(0, 10**6)),
    st.builds(GiftOrder, wish=texts, status=texts),
    st.builds(Ticket, id=st.uuids(), subject=texts),
    st.builds(Label, name=texts),
    st.builds(Seat, row=texts, number=st.integers(), taken=st.booleans()),
    st.builds(Line, document=SAFE_TEXT, order_id=st.integers()),
    st.builds(
        Run, receiver=texts, payload=json_values.filter(lambda form: "nan" not in repr(form))
    ),
)


@given(rows, st.sampled_from(["saved", "deleted", "unsaved"]))
def test_snapshot_has_every_field_of_the_row(row: Any, state: Any) -> None:
    back = there_and_back(Snapshot(row, state))
    assert type(back) is type(row)
    assert back._state.adding is (state == "unsaved")
    for field in row._meta.concrete_fields:
        if not field.is_relation or field.attname in row.__dict__:
            assert repr(getattr(back, field.attname)) == repr(getattr(row, field.attname))


TAGS = tags_of(CODEC)
NAMES = st.sampled_from(
    ["tests_app.Order", "tests_app.Ticket", "tests_app.Line", "default", "unsaved", "deleted",
     *(f"tests.support.known_types.{name}" for name in ("Colour", "Point", "Plain", "Frozen"))]
)  # fmt: skip
forms: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, NAMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(texts, inner, max_size=2),
        st.builds(lambda tag, item: {tag: item}, st.sampled_from(TAGS), inner),
    ),
    max_leaves=15,
)


class Rows(dict[Any, Any]):
    """Rows without a database: each reference leads to one."""

    def __missing__(self, reference: Any) -> Any:
        return reference.model()


@given(forms)
@example({"$enum": ["tests.support.known_types.Plain", None, 1]})
def test_any_form_is_a_value_or_a_decode_error_and_nothing_is_called(form: object) -> None:
    RAN.clear()
    before = set(sys.modules)
    try:
        value = {"a": CODEC.decode(form)}
        list(references(value))
        complete(value, Rows())
    except DecodeError:
        pass
    assert RAN == []
    assert set(sys.modules) == before


@given(
    st.one_of(
        st.text(),
        json_values.map(json.dumps),
        st.builds(
            lambda key, item: payload_of(**{key: item}),
            st.sampled_from(
                [
                    "v",
                    "id",
                    "receiver",
                    "signal",
                    "sender",
                    "kwargs",
                    "using",
                    "sent_at",
                    "depth",
                    "attempt",
                    "redeliveries",
                    "version",
                    "context",
                ]
            ),
            forms,
        ),
        st.integers(0, 200).map(lambda cut: payload_of()[:cut]),
    ),
    st.booleans(),
)
def test_any_payload_is_a_message_or_a_decode_error(payload: str, signing: bool) -> None:
    with override_settings(DEFERRED_SIGNALS={"SIGNING": signing}):
        try:
            message = unpack(payload)
        except DecodeError:
            return
        assert not signing
        assert unpack(pack(message)) == message


@given(st.text(min_size=1), st.integers(0, 10_000))
def test_no_change_of_a_signed_message_goes_unseen(inserted: str, place: int) -> None:
    with override_settings(DEFERRED_SIGNALS={"SIGNING": True}):
        signed = pack(unpack_unsigned(payload_of()))
        place %= len(signed) + 1
        altered = signed[:place] + inserted + signed[place:]
        with pytest.raises(DecodeError):
            unpack(altered)


def unpack_unsigned(text: str) -> Any:
    with override_settings(DEFERRED_SIGNALS={}):
        return unpack(text)
