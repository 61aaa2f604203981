"""Wake-ups: data from outside, of which each is read or is a `DecodeError`."""

import json
from typing import Any

import pytest

from deferred_signals import DecodeError
from deferred_signals.message.wakeup import LONGEST, WakeUp, is_wake_up
from tests.support.payloads import payload_of

ID = "019b5f1c-0000-7000-8000-000000000000"


def text_of(**changes: Any) -> str:
    """Return a wake-up's text, with some fields changed or, by None, left out."""
    fields = {"wake": 1, "using": "default", "id": ID, "attempt": 0, "at": 1.5, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def test_wake_up_is_read_as_it_was_written() -> None:
    for wake_up in (
        WakeUp("default", ID, 0, 1.5),
        WakeUp("größe", ID, 2**31 - 2, 32_503_679_999.0),
    ):
        text = wake_up.to_wire()
        assert is_wake_up(text)
        assert WakeUp.from_wire(text) == wake_up
    assert WakeUp.from_wire(text_of()) == WakeUp("default", ID, 0, 1.5)


def test_message_is_no_wake_up_and_neither_is_anything_else() -> None:
    for other in (payload_of(), "", None, 7, b'{"wake":1,', ['{"wake":1,'], {"wake": 1}):
        assert not is_wake_up(other)


FORGED: list[str] = [
    "",
    '{"wake":1,',
    '{"wake":1,}',
    '{"wake":1,"id":"x"}',
    "[]",
    "null",
    "[" * 5000,
    '{"wake":1,"a":' * 500,
    "9" * 5000,
    '{"wake":1,"attempt":' + "9" * 5000 + "}",
    " " * (LONGEST + 1),
    text_of(more="x" * LONGEST),
    text_of(using=7),
    text_of(using=""),
    text_of(using="a b"),
    text_of(using="a\nERROR all is lost"),
    text_of(using="\ud800"),
    text_of(using="x" * 301),
    text_of(using=["default"]),
    text_of(id="5f1c"),
    text_of(id=ID.upper()),
    text_of(id=ID.replace("-", "")),
    text_of(id="{" + ID + "}"),
    text_of(id="urn:uuid:" + ID),
    text_of(id=ID + "\n"),
    text_of(id="' OR 1=1 --"),
    text_of(id="\u0660" + ID[1:]),
    text_of(id=7),
    text_of(attempt=-1),
    text_of(attempt=2**31),
    text_of(attempt=10**400),
    text_of(attempt=1.0),
    text_of(attempt=True),
    text_of(attempt="1"),
    text_of(at=-1.0),
    text_of(at=1e300),
    text_of(at=1),
    text_of(at=True),
    text_of(at="now"),
    text_of(at=float("nan")),
    text_of(at=float("inf")),
    *(text_of(**{name: None}) for name in ("using", "id", "attempt", "at")),
]


@pytest.mark.parametrize(
    "text", FORGED, ids=[f"{n} {ascii(item)[:40]}" for n, item in enumerate(FORGED)]
)
def test_text_that_is_no_wake_up_is_a_decode_error_and_is_kept(text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        WakeUp.from_wire(text)
    assert caught.value.payload is text
