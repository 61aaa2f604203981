"""`UNKNOWN` is one object, here, in copies and pickles, and where it travels to."""

import copy
import json
import pickle
from typing import Any

import pytest

import deferred_signals
from deferred_signals import UNKNOWN, DecodeError
from deferred_signals.serialization import CODEC, merge_kwargs


def travelled(value: Any) -> Any:
    return CODEC.decode(json.loads(json.dumps(CODEC.encode(value))))


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - of our own


@pytest.mark.parametrize("renew", [copy.copy, copy.deepcopy, pickled, travelled])
def test_unknown_stays_itself(renew: Any) -> None:
    assert renew(UNKNOWN) is UNKNOWN
    assert renew([UNKNOWN])[0] is UNKNOWN
    assert renew({"status": (UNKNOWN, "paid")}) == {"status": (UNKNOWN, "paid")}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_unknown_is_pickled_by_its_name(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(UNKNOWN, protocol)) is UNKNOWN  # noqa: S301 - of our own


def test_unknown_is_a_value_like_others() -> None:
    assert repr(UNKNOWN) == "UNKNOWN"
    assert type(UNKNOWN)() is UNKNOWN
    assert deferred_signals.UNKNOWN is UNKNOWN
    nothing: list[object] = [None, "", 0, False]
    assert UNKNOWN not in nothing
    assert len({UNKNOWN, UNKNOWN}) == 1
    assert bool(UNKNOWN) in {True, False}


def test_unknown_with_a_payload_is_malformed() -> None:
    with pytest.raises(DecodeError):
        CODEC.decode({"$unknown": 7})


def test_unknown_of_two_sends_is_merged_like_any_value() -> None:
    earlier = CODEC.encode_values({"changes": {"a": (UNKNOWN, 1), "b": (1, UNKNOWN)}})
    later = CODEC.encode_values({"changes": {"a": (1, UNKNOWN), "c": (UNKNOWN, UNKNOWN)}})
    assert CODEC.decode_values(merge_kwargs(earlier, later)) == {
        "changes": {"a": (UNKNOWN, UNKNOWN), "b": (1, UNKNOWN), "c": (UNKNOWN, UNKNOWN)}
    }
