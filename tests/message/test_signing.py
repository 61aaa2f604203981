"""`SIGNING`: only what this project's key, or a fallback of it, has signed is read."""

import json

import pytest
from django.core.signing import Signer
from django.test import override_settings
from pytest_django import Settings

from deferred_signals import DecodeError
from deferred_signals.message.wire import pack, unpack
from tests.support.payloads import payload_of

UNSIGNED = payload_of(id="7f3a")


@pytest.fixture(autouse=True)
def signing(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": True}
    settings.SECRET_KEY = "the first key"


def signed() -> str:
    with override_settings(DEFERRED_SIGNALS={}):
        message = unpack(UNSIGNED)
    return pack(message)


def test_signed_message_is_read() -> None:
    assert unpack(signed()).id == "7f3a"


def test_signature_stands_in_front_and_hides_nothing() -> None:
    signature, _, text = signed().partition(":")
    assert len(signature) >= 43
    assert json.loads(text)["id"] == "7f3a"
    assert signed().isascii()


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text.partition(":")[2],
        lambda text: ":" + text.partition(":")[2],
        lambda text: text.replace('"using"', '"attempt":2,"using"'),
        lambda text: text.replace("tests.nobody", "tests.somebody"),
        lambda text: text + " ",
        lambda text: " " + text,
        lambda text: text[1:],
        lambda text: text.swapcase(),
        lambda text: text.partition(":")[0],
        lambda text: text.partition(":")[0] + ":",
        lambda text: text.partition(":")[0] + "::" + text.partition(":")[2],
        lambda text: Signer(key="the first key").sign(text.partition(":")[2]),
        lambda text: Signer(key="stolen", salt="deferred_signals").signature(UNSIGNED) + ":" + UNSIGNED,
        lambda text: Signer(key="the first key", salt="sessions").signature(UNSIGNED) + ":" + UNSIGNED,
        lambda text: "é" + text,
        lambda text: "\ud800" + text,
        lambda text: text + "\ud800",
    ],
    ids=[
        "unsigned", "empty signature", "attempt", "receiver", "appended", "prepended", "shortened",
        "case", "signature alone", "empty text", "two colons", "other end", "another key",
        "another salt", "not ascii", "surrogate in front", "surrogate behind",
    ],
)  # fmt: skip
def test_altered_or_forged_message_is_refused_and_kept(alter: object) -> None:
    assert callable(alter)
    payload = alter(signed())
    with pytest.raises(DecodeError) as caught:
        unpack(payload)
    assert caught.value.payload == payload


def test_forged_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(DecodeError, match="forged, altered, or older"):
        unpack("x:" + "[" * 100_000)


def test_message_of_a_rotated_key_is_read_while_the_key_is_a_fallback(settings: Settings) -> None:
    payload = signed()
    settings.SECRET_KEY = "the second key"
    settings.SECRET_KEY_FALLBACKS = ["another", "the first key"]
    assert unpack(payload).id == "7f3a"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(DecodeError):
        unpack(payload)


def test_new_messages_are_signed_with_the_new_key(settings: Settings) -> None:
    settings.SECRET_KEY = "the second key"
    settings.SECRET_KEY_FALLBACKS = ["the first key"]
    payload = signed()
    settings.SECRET_KEY_FALLBACKS = []
    assert unpack(payload).id == "7f3a"


def test_worker_that_does_not_sign_yet_reads_signed_messages(settings: Settings) -> None:
    payload = signed()
    settings.DEFERRED_SIGNALS = {}
    assert unpack(payload).id == "7f3a"
    assert unpack(UNSIGNED).id == "7f3a"
