"""The `Message` and its JSON text."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from deferred_signals import DecodeError
from deferred_signals.message import WIRE_VERSION, Message
from deferred_signals.serialization import CODEC, Reference
from tests.app.models import Order

#: A message of wire version 1, as it was published by the first version. Never change it: stored
#: messages outlive the code that wrote them.
VERSION_1 = (
    '{"v":1,"id":"0b5dc2c9-8b3e-4f3a-9d1f-0a6f3e6f2b11","receiver":"shop.receivers.send_receipt",'
    '"signal":"django.db.models.signals.post_save","sender":{"$model":"tests_app.Order"},'
    '"kwargs":{"instance":{"$ref":["tests_app.Order",7,"default"]},"created":true,'
    '"update_fields":{"$frozenset":["status","total"]},"raw":false,"using":"default",'
    '"total":{"$decimal":"12.50"},"at":{"$datetime":["2026-01-31T08:30:00",0,"Europe/Berlin"]},'
    '"pks":{"$tuple":[1,{"$uuid":"12345678123456781234567812345678"}]},'
    '"note":{"$dict":[["$model","a user\\u0027s own"],[1,null]]}},'
    '"using":"default","sent_at":1769848200.25,"depth":1,"attempt":2,"redeliveries":3,"version":1,'
    '"context":{}}'
)

SHORTEST_1 = (
    '{"v":1,"id":"5f1c","receiver":"shop.receivers.greet","signal":"shop.signals.order_placed",'
    '"sender":null,"kwargs":{"order_id":7},"using":"default","sent_at":1769848200.250000}'
)


def message(**fields: Any) -> Message:
    return Message(
        **{
            "id": "5f1c",
            "receiver": "shop.receivers.greet",
            "signal": "shop.signals.order_placed",
            "sender": None,
            "kwargs": {"order_id": 7},
            "using": "default",
            "sent_at": datetime(2026, 1, 31, 8, 30, 0, 250_000, tzinfo=UTC),
            **fields,
        }
    )


def test_wire_form_reads_back_as_an_equal_message() -> None:
    sent = message(
        sender={"$model": "shop.Order"},
        kwargs={"a": [1, {"$set": [2]}], "nul": "\0", "snowman": "☃", "lone": "\ud800"},
        depth=3,
        attempt=4,
        redeliveries=5,
        context={"language": "de"},
    )
    assert Message.from_wire(sent.to_wire()) == sent
    assert Message.from_wire(sent.to_wire().encode()) == sent


def test_wire_form_is_one_text_with_characters_as_they_are() -> None:
    text = message(kwargs={"snowman": "☃\0"}).to_wire()
    assert "☃" in text
    assert "\0" not in text


@pytest.mark.parametrize("microsecond", [0, 1, 123_457, 999_999])
def test_moment_of_the_send_is_kept_to_the_microsecond(microsecond: int) -> None:
    sent_at = datetime(2026, 1, 31, 8, 30, 0, microsecond, tzinfo=UTC)
    assert Message.from_wire(message(sent_at=sent_at).to_wire()).sent_at == sent_at


def test_stored_message_of_version_1_is_still_read() -> None:
    read = Message.from_wire(VERSION_1)
    assert read.receiver == "shop.receivers.send_receipt"
    assert read.signal == "django.db.models.signals.post_save"
    assert (read.depth, read.attempt, read.redeliveries) == (1, 2, 3)
    assert read.sent_at == datetime(2026, 1, 31, 8, 30, 0, 250_000, tzinfo=UTC)


def test_shortest_message_of_version_1_is_still_read() -> None:
    assert Message.from_wire(SHORTEST_1) == message()


def test_version_that_is_written_is_the_one_that_is_read() -> None:
    assert json.loads(message().to_wire())["v"] == WIRE_VERSION


def test_next_attempt_differs_in_the_attempt_and_was_not_redelivered_yet() -> None:
    assert message(attempt=2, redeliveries=1).next_attempt() == message(attempt=3)


def test_redelivery_charges_no_attempt() -> None:
    assert message(attempt=2).redelivered() == message(attempt=2, redeliveries=1)


def test_age_is_counted_from_the_send() -> None:
    sent = message()
    assert sent.age(sent.sent_at + timedelta(minutes=1)) == 60.0


def without(key: str) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(message().to_wire())
    del raw[key]
    return raw


def having(**values: Any) -> dict[str, Any]:
    return {**json.loads(message().to_wire()), **values}


REQUIRED = ("v", "id", "receiver", "signal", "kwargs", "using", "sent_at")
USUAL = {"depth": 0, "attempt": 1, "redeliveries": 0, "version": 1, "context": {}}


def refuse(payload: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Message.from_wire(payload)
    assert caught.value.payload == payload


@pytest.mark.parametrize("key", REQUIRED)
def test_message_without_a_field_is_malformed(key: str) -> None:
    refuse(json.dumps(without(key)))


def test_field_that_is_as_usual_is_left_out_and_there_again() -> None:
    text = message().to_wire()
    assert USUAL.keys().isdisjoint(json.loads(text))
    read = Message.from_wire(text)
    assert {name: getattr(read, name) for name in USUAL} == USUAL
    assert Message.from_wire(json.dumps(having(**USUAL))) == read


def test_context_that_was_left_out_is_each_messages_own() -> None:
    text = message().to_wire()
    Message.from_wire(text).context["written"] = "into"
    assert Message.from_wire(text).context == {}


@pytest.mark.parametrize(
    "unusual",
    [{"depth": 1}, {"attempt": 2}, {"redeliveries": 1}, {"version": 2}, {"context": {"a": 1}}],
    ids=str,
)
def test_field_that_is_not_as_usual_is_written(unusual: dict[str, Any]) -> None:
    assert unusual.items() <= json.loads(message(**unusual).to_wire()).items()


@pytest.mark.parametrize("value", [[], True, None])
@pytest.mark.parametrize("key", [*REQUIRED, *USUAL])
def test_message_with_a_field_of_another_type_is_malformed(key: str, value: object) -> None:
    refuse(json.dumps(having(**{key: value})))


@pytest.mark.parametrize("version", [0, -1, WIRE_VERSION + 1, "1", 1.0])
def test_message_of_another_version_is_malformed(version: object) -> None:
    refuse(json.dumps(having(v=version)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("attempt", 0), ("attempt", -1), ("attempt", 1.5), ("depth", -1), ("redeliveries", -1)],
)
def test_message_with_a_count_that_is_none_is_malformed(key: str, value: object) -> None:
    refuse(json.dumps(having(**{key: value})))


@pytest.mark.parametrize("moment", ["now", 1e300, -1e300, float("nan"), float("inf"), 10**400])
def test_message_sent_at_no_point_in_time_is_malformed(moment: object) -> None:
    refuse(json.dumps(having(sent_at=moment)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_number_that_json_does_not_have_is_malformed(number: str) -> None:
    refuse(json.dumps(having(sender=12345)).replace("12345", number))


@pytest.mark.parametrize("raw", [[], None, 7, "text"])
def test_json_that_is_no_object_is_malformed(raw: object) -> None:
    refuse(json.dumps(raw))


@pytest.mark.parametrize(
    "payload",
    ["", "{", "{}", b"\xff\xfe", b"", None, 7, {}, ["x"], "[" * 100_000, "9" * 5000, '"\ud800'],
    ids=lambda payload: repr(payload)[:30],
)
def test_payload_that_is_no_message_at_all_is_a_decode_error_too(payload: object) -> None:
    with pytest.raises(DecodeError) as caught:
        Message.from_wire(payload)
    assert caught.value.payload == payload


def test_error_says_which_versions_are_read() -> None:
    with pytest.raises(DecodeError, match=f"reads the wire versions 1 to {WIRE_VERSION}"):
        Message.from_wire(json.dumps(having(v=99)))


def test_values_of_the_stored_message_are_still_decoded() -> None:
    read = Message.from_wire(VERSION_1)
    assert CODEC.decode(read.sender) is Order
    assert {name: CODEC.decode(form) for name, form in read.kwargs.items()} == {
        "instance": Reference(Order, 7, "default"),
        "created": True,
        "update_fields": frozenset({"status", "total"}),
        "raw": False,
        "using": "default",
        "total": Decimal("12.50"),
        "at": datetime(2026, 1, 31, 8, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        "pks": (1, UUID("12345678123456781234567812345678")),
        "note": {"$model": "a user's own", 1: None},
    }
