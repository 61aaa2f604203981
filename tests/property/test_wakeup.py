"""Wake-ups of any text and any numbers are read, or are a `DecodeError`."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deferred_signals import DecodeError
from deferred_signals.message.message import LATEST, MOST, is_name
from deferred_signals.message.wakeup import WakeUp, is_wake_up
from tests.property.strategies import json_values

SOUND: dict[str, Any] = {
    "using": st.text(min_size=1, max_size=300).filter(is_name),
    "id": st.uuids().map(str),
    "attempt": st.integers(0, MOST - 1),
    "at": st.floats(0, LATEST, exclude_max=True),
}
NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans())
FIELDS = {name: st.one_of(sound, NUMBERS, json_values) for name, sound in SOUND.items()}


def read(text: str) -> WakeUp | None:
    try:
        return WakeUp.from_wire(text)
    except DecodeError:
        return None


@given(st.fixed_dictionaries(SOUND))
def test_wake_up_is_read_as_it_was_written(fields: dict[str, Any]) -> None:
    wake_up = WakeUp(**fields)
    found = read(wake_up.to_wire())
    assert is_wake_up(wake_up.to_wire())
    if fields["at"] < LATEST - 1:  # microseconds are kept, and so the last moment may be rounded up
        assert found is not None
        assert found[:3] == wake_up[:3]
        assert abs(found.at - wake_up.at) < 1e-5


@given(st.one_of(st.text(), st.text().map(lambda text: '{"wake":1,' + text)))
def test_any_text_is_read_or_refused(text: str) -> None:
    is_wake_up(text)
    read(text)


@given(
    st.fixed_dictionaries({}, optional=FIELDS), st.dictionaries(st.text(), json_values, max_size=2)
)
def test_any_values_are_read_or_refused(fields: dict[str, Any], others: dict[str, Any]) -> None:
    found = read(json.dumps({"wake": 1, **others, **fields}))
    if found is not None:
        assert is_name(found.using)
        assert len(found.id) == 36
        assert type(found.attempt) is int
        assert 0 <= found.attempt < MOST
        assert type(found.at) is float
        assert 0 <= found.at < LATEST
