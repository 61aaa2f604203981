"""What is shown of a failure to those who may not see values: exceptions say nothing there."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals.outbox.failures import MOST, told, unknown_since
from deferred_signals.outbox.masking import without_values

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

SECRET = "hunter2"


def failure(error: BaseException) -> BaseException:
    """Raise an error, so that it has a traceback."""
    try:
        raise error
    except BaseException as found:  # noqa: BLE001 - whatever the test raises
        return found


def chained(first: BaseException, second: BaseException) -> BaseException:
    try:
        try:
            raise first
        except BaseException as cause:
            raise second from cause
    except BaseException as found:  # noqa: BLE001 - whatever the test raises
        return found


def with_note(error: BaseException, note: str) -> BaseException:
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        failure(ValueError(SECRET)),
        failure(ValueError(f"a\n    b\n{SECRET}")),
        failure(ValueError(f"a\n\n{SECRET}\n{SECRET}: {SECRET}\n  {SECRET}")),
        failure(with_note(ValueError("a"), SECRET)),
        chained(KeyError(SECRET), ValueError(f"{SECRET}\n{SECRET}")),
        failure(ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])),
    ],
    ids=["bare", "raised", "lines", "blank lines", "note", "cause", "group"],
)
def test_what_exceptions_say_is_masked(error: BaseException) -> None:
    text = without_values(told(told("", error), error))
    assert SECRET not in text
    assert text.count("…") >= 2
    assert "[The last failure]" in text


def test_types_and_lines_of_code_are_shown() -> None:
    text = without_values(told("", chained(KeyError(SECRET), LookupError(SECRET))))
    assert re.search(r"^KeyError: …$", text, re.MULTILINE)
    assert re.search(r"^LookupError: …$", text, re.MULTILINE)
    assert (
        len(re.findall(r'^  File ".*test_masking.py", line \d+, in chained$', text, re.MULTILINE))
        == 2
    )
    assert "    raise second from cause" in text
    assert "direct cause" in text


def test_exception_that_says_nothing_is_shown_as_it_is() -> None:
    assert without_values(told("", TimeoutError())) == "TimeoutError"


def test_what_the_library_says_of_an_unknown_receiver_is_shown() -> None:
    before = told("", failure(ValueError(SECRET)))
    text = without_values(unknown_since(before, LookupError("No receiver tests.gone")))
    assert text.startswith("Unknown since ")
    assert "No receiver tests.gone" in text
    assert "ValueError: …" in text
    assert SECRET not in text


def test_beginning_of_a_text_that_was_cut_is_not_taken_for_an_exception() -> None:
    text = told("", failure(ValueError("\n".join([SECRET] * MOST))))
    assert text.startswith(("unter2", "nter2", "ter2", "er2", "r2", "2", "\n", SECRET))
    assert without_values(text) == ""


def test_no_failure_is_no_text() -> None:
    assert without_values("") == ""


@given(st.text(st.sampled_from("ab \n:|'\"…"), max_size=200))
def test_no_line_of_what_an_exception_says_comes_through(said: str) -> None:
    alone = without_values(told("", failure(ValueError("x"))))
    lines = without_values(told("", failure(ValueError(f"x{said}")))).splitlines()
    assert lines == alone.splitlines()
