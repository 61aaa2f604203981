"""JSON texts: the encoder that is kept writes what the documented one does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals import json_text
from deferred_signals.json_text import to_json

forms = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters()),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)  # fmt: skip


@given(form=forms)
def test_text_is_that_of_the_standard_library(form: object) -> None:
    assert to_json(form) == json.dumps(form, separators=(",", ":"))


def test_an_encoder_is_kept() -> None:
    # If this fails, Python has changed what is not documented: all works, and each send is slower.
    assert json_text._write is not None  # noqa: SLF001 - what this test is about


@pytest.mark.parametrize("form", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_number_that_json_does_not_have_is_refused(form: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(form)


def test_value_that_is_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        to_json({"a": {1, 2}})


def test_form_that_contains_itself_is_refused() -> None:
    form: list[object] = []
    form.append(form)
    with pytest.raises(RecursionError):
        to_json(form)
