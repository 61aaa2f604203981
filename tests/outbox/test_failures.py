"""The text of a row's failures."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals.outbox.failures import MOST, since_unknown, told, unknown_since


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - with its traceback
        return caught


def test_failure_is_told_with_its_traceback() -> None:
    error = raised(ValueError("no"))
    assert told("", error) == "".join(traceback.format_exception(error))


def test_first_and_last_failures_are_kept() -> None:
    text = ""
    for number in range(5):
        text = told(text, raised(ValueError(f"failure {number}")))
    assert [number for number in range(5) if f"failure {number}" in text] == [0, 4]


def test_end_of_a_long_failure_is_kept() -> None:
    text = told("", raised(ValueError("x" * 5 * MOST + "the end")))
    assert text.strip().endswith("the end")
    assert len(told(text, raised(ValueError("y" * 5 * MOST)))) <= 2 * MOST + 100


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\U0001f600"])
def test_any_text_can_be_stored(odd: str) -> None:
    """No database keeps NUL, and none a lone surrogate, as names of files have them."""
    for text in (told("", raised(ValueError(f"a{odd}b"))), unknown_since("", LookupError(odd))):
        assert "\0" not in text
        assert text.encode().decode() == text


@given(st.lists(st.one_of(st.text(), st.none()), max_size=6))
def test_first_failure_and_grace_outlive_any_order_of_events(events: list[str | None]) -> None:
    """None stands for a look that did not know the receiver."""
    text, then, first = "", None, None
    for event in events:
        if event is None:
            text = unknown_since(text, LookupError("nobody"))
            then = since_unknown(text) if then is None else then
            assert since_unknown(text) == then
        else:
            text, then = told(text, ValueError("x" + event)), None
            assert "Unknown since" not in text or "Unknown since" in event
            first = text if first is None else first
        if first is not None:
            assert first in text
