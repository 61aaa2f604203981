"""JSON texts: the encoder that is kept writes what the documented one does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals.support import json as json_text
from deferred_signals.support.json import size_of, to_json

#: All texts but those with DEL, which is written as an escape or not, and halves of surrogate pairs.
WRITABLE = st.text(st.characters(exclude_characters="\x7f", exclude_categories=["Cs"]))

forms = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
        WRITABLE,
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(WRITABLE, inner)),
    max_leaves=20,
)  # fmt: skip


@given(form=forms)
def test_text_is_that_of_the_standard_library(form: object) -> None:
    assert to_json(form) == json.dumps(form, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("form", ["\ud800", ["é\udfff"], {"\ud800": "é"}], ids=ascii)
def test_half_of_a_surrogate_pair_is_written_as_an_escape(form: object) -> None:
    assert size_of(to_json(form)) > 0
    assert json.loads(to_json(form)) == form


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("я", 2), ("☃a", 4), ("😀", 4)])
def test_size_of_a_text_is_that_in_utf_8(text: str, size: int) -> None:
    assert size_of(text) == size


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
