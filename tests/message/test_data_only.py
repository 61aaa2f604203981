"""A message is data from outside: whoever wrote it, it changes nothing and is handed no code."""

import base64
import json
import logging
import os
import pickle
import time
from collections.abc import Iterator
from enum import Enum, Flag
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.dispatch import Signal
from pytest_django import Settings

from deferred_signals import DecodeError
from deferred_signals.errors import NotKnownHere
from deferred_signals.message import is_name
from deferred_signals.message.wire import unpack
from deferred_signals.running import executor
from deferred_signals.serialization import (
    CODEC,
    SenderNotLoaded,
    codec_for,
    complete,
    decode_call,
    decode_sender,
)
from tests.app.fields import RAN, Money
from tests.app.models import Order
from tests.message.test_untrusted import text_of
from tests.support.connected import Connected
from tests.support.known_types import Bits, Colour, Frozen, Status
from tests.support.recorder import listen


class Evil:
    """What a pickling field would run."""

    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/deferred_signals_was_here",)


PICKLED = base64.b64encode(pickle.dumps(Evil())).decode()


def named(module: str, path: str = "") -> Any:
    return {"$named": [module, path]}


def row(model: str = "tests_app.Order", state: str = "saved", **fields: Any) -> Any:
    return {"$row": [model, state, "default", fields]}


@pytest.fixture(autouse=True)
def ran() -> Iterator[list[str]]:
    RAN.clear()
    yield RAN
    RAN.clear()


def back(form: Any, **options: Any) -> Any:
    """Decode a form as a receiver with these options does."""

    def receive(sender: object, **kwargs: object) -> None: ...

    codec = codec_for(receive, **options) if options else CODEC
    return complete({"value": codec.decode(json.loads(json.dumps(form)))}, {})["value"]


CODE = [
    named("subprocess", "getoutput"),
    named("deferred_signals.message.wire"),
    named("builtins", "type"),
    named("tests.app.models", "Order"),
]


@pytest.mark.parametrize("code", CODE, ids=str)
def test_kwarg_is_never_a_class_a_function_or_a_module(code: Any) -> None:
    places = [
        code,
        [code],
        {"a": code},
        {"$dict": [[code, 1]]},
        {"$tuple": [code]},
        {"$set": [code]},
        row(status=code),
        row(placed_at=code),
        {"$carrying": [row(), {"status": code}]},
        {"$request": {"user": code}},
        {"$request": {"session": {"a": code}}},
        {"$ref": ["tests_app.Order", code, "default"]},
        {"$rows": ["tests_app.Order", [code], "default"]},
        {"$file": [row("tests_app.Line"), "document", code]},
        {"$lists": {"a": [code]}},
    ]
    for form in places:
        with pytest.raises(DecodeError):
            back(form, carry=("status",))


@pytest.mark.parametrize("code", CODE, ids=str)
def test_sender_may_be_one_of_what_is_loaded(code: Any) -> None:
    assert isinstance(decode_sender(code), (type, FunctionType, ModuleType))


@pytest.mark.parametrize(
    "value",
    [
        {"$model": "tests_app.Order"},
        {"$app": "tests_app"},
        row(),
        {"$ref": ["tests_app.Order", 1, "default"]},
        {"$request": {}},
        {"$norows": "tests_app.Order"},
        {"$anonymous": None},
        {"$exception": ["a", "b", "c"]},
        {"$enum": [f"{Colour.__module__}.Colour", "RED", 1]},
    ],
    ids=str,
)
def test_field_of_a_row_takes_only_what_fields_hold(value: Any) -> None:
    for form in (value, [value], {"a": [value]}):
        with pytest.raises(DecodeError):
            back(row("tests_app.Run", payload=form))


def test_only_the_paths_that_the_receiver_names_are_set() -> None:
    paths = {
        "_meta.db_table": "other_table",
        "__class__": "x",
        "_state.db": "other",
        "status.x": 1,
        "save": 1,
        "_note": "mine",
    }
    got = back(
        {"$carrying": [row("tests_app.Order", "unsaved", status="new"), paths]}, carry=("_note",)
    )
    assert type(got) is Order
    assert Order._meta.db_table == "tests_app_order"
    assert got._state.db == "default"
    assert vars(got).keys() & {"_note", "save"} == {"_note"}


def test_row_carries_nothing_to_a_receiver_that_names_nothing() -> None:
    got = back({"$carrying": [row("tests_app.Order", "unsaved", status="new"), {"_note": 1}]})
    assert not hasattr(got, "_note")


@pytest.mark.parametrize(
    "carrier", [3, {"$request": {}}, {"$app": "tests_app"}, {"$model": "tests_app.Order"}], ids=str
)
def test_attributes_are_carried_by_rows_alone(carrier: Any) -> None:
    with pytest.raises(DecodeError):
        back({"$carrying": [carrier, {"path": 1}]}, carry=("path",))


@pytest.mark.parametrize(
    "form", [PICKLED, {"$field": PICKLED}, {"$bytes": "AAAA"}], ids=["text", "field", "bytes"]
)
def test_field_that_unpickles_is_given_nothing(form: Any) -> None:
    mark = Path("/tmp/deferred_signals_was_here")  # noqa: S108 - it must never be there
    got = back(row("tests_app.Article", "deleted", extra=form, title="x"))
    assert got.title == "x"
    assert "extra" in got.get_deferred_fields()
    assert not mark.exists()


@pytest.mark.parametrize("name", ["noise", "body", "price", "secret"])
@pytest.mark.parametrize("form", ["x", {"$field": "7"}, 7], ids=["text", "field", "number"])
def test_field_with_code_of_its_own_is_given_nothing(name: str, form: Any, ran: list[str]) -> None:
    got = back(row("tests_app.Article", "deleted", **{name: form}))
    assert name in got.get_deferred_fields()
    assert ran == []


def test_key_is_given_to_no_code_of_its_field(ran: list[str]) -> None:
    got = back(row("tests_app.Article", "deleted", id=7, noise="x"))
    assert got.pk == 7
    assert ran == []


def test_signed_message_may_reach_the_code_of_fields(settings: Settings, ran: list[str]) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": True}
    got = back(row("tests_app.Article", "deleted", price={"$decimal": "7"}, noise="x"))
    assert got.price == Money(7)  # type: ignore[arg-type]  # equal to the Decimal
    assert ran == ["noisy"]


def test_field_that_encrypts_stays_behind_in_signed_messages_too(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": True}
    assert "secret" in back(row("tests_app.Article", "deleted", secret="x")).get_deferred_fields()


@pytest.mark.parametrize(
    "form",
    [
        {
            "$set": [
                row("tests_app.Touchy", "unsaved", id=1),
                row("tests_app.Touchy", "unsaved", id=1),
            ]
        },
        {"$dict": [[row("tests_app.Touchy", "unsaved", id=1), 1]]},
        {"$frozenset": [{"$tuple": [row("tests_app.Touchy", "unsaved", id=1)]}]},
    ],
    ids=["set", "key", "in a tuple"],
)
def test_no_hash_and_no_comparison_of_a_models_own_runs(form: Any, ran: list[str]) -> None:
    with pytest.raises(DecodeError):
        back(form)
    assert ran == []


class Missing(Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        RAN.append("_missing_")
        return cls.ONE


class Wide(Flag):
    LOW = 1
    HIGH = 2**40


MODULE = Missing.__module__


@pytest.mark.parametrize(
    "parts",
    [
        [f"{MODULE}.Missing", None, 7],
        [f"{MODULE}.Missing", "TWO", 7],
        [f"{MODULE}.Missing", "ONE", "no"],
        [f"{MODULE}.Wide", None, 1 + 2**40],
        [f"{MODULE}.Wide", ["LOW", "HIGH"]],
        [f"{Bits.__module__}.Bits", None, 2**20],
        [f"{Bits.__module__}.Bits", 5],
        [f"{Bits.__module__}.Bits", ["ONE"] * 10],
        ["os.path.join", "x"],
        ["http.HTTPStatus", "_generate_next_value_"],
    ],
    ids=str,
)
def test_enum_is_never_called(parts: Any, ran: list[str]) -> None:
    def receive(sender: object, missing: Missing, wide: Wide, bits: Bits, **_: object) -> None: ...

    before = len(Bits._value2member_map_)
    with pytest.raises(DecodeError):
        codec_for(receive).decode({"$enum": parts})
    assert ran == []
    assert len(Bits._value2member_map_) == before


def test_member_of_any_loaded_enum_is_found_by_name_and_value() -> None:
    for member in (Colour.RED, Status.PAID, Missing.ONE):
        assert CODEC.decode(json.loads(json.dumps(CODEC.encode(member)))) is member


def test_renamed_member_is_found_by_its_value_where_that_is_a_text() -> None:
    path = f"{Status.__module__}.Status"
    assert CODEC.decode({"$enum": [path, "SETTLED", "paid"]}) is Status.PAID
    with pytest.raises(NotKnownHere, match="has no member 'LOWEST'"):
        CODEC.decode({"$enum": [f"{Status.__module__}.Level", "LOWEST", 1]})


@pytest.mark.parametrize(
    "form",
    [
        {"$model": "shop.Removed"},
        {"$ref": ["tests_app.Removed", 1, "default"]},
        {"$row": ["tests_app.Removed", "saved", "default", {}]},
        {"$rows": ["tests_app.Removed", [], "default"]},
        {"$enum": ["shop.models.Status", "NEW", "new"]},
        {"$enum": [f"{Status.__module__}.Status", "REFUNDED", "refunded"]},
        {"$dataclass": ["shop.Parcel", {}]},
        {"$namedtuple": ["shop.Size", []]},
        {"$tag_of_nobody": 7},
    ],
    ids=str,
)
def test_what_another_process_may_know_is_told_from_what_is_malformed(form: Any) -> None:
    with pytest.raises(NotKnownHere):
        CODEC.decode([form])


#: Numbers of which all have the hash of 1.
ALIKE = [1 + n * (2**61 - 1) for n in range(6500)]


@pytest.mark.parametrize(
    "items",
    [
        [{"$uuid": f"{n:032x}"} for n in ALIKE],
        [{"$int": hex(n)} for n in ALIKE],
        [{"$decimal": str(n)} for n in ALIKE],
        [{"$tuple": [{"$int": hex(n)}]} for n in ALIKE],
        [{"$frozenset": [{"$int": hex(n)}]} for n in ALIKE],
        [{"$timedelta": [0, 0, 0]} for _ in range(6500)],
    ],
    ids=["uuid", "int", "decimal", "tuple", "frozenset", "equal"],
)
def test_items_that_were_chosen_to_have_one_hash_are_refused(items: list[Any]) -> None:
    for form in ({"$set": items}, {"$frozenset": items}, {"$dict": [[item, 1] for item in items]}):
        began = time.process_time()
        with pytest.raises(DecodeError):
            CODEC.decode(form)
        assert time.process_time() - began < 2  # unbounded, each takes longer than that


@pytest.mark.parametrize(
    "form",
    [
        row("tests_app.Run", attempt={"$decimal": "1E+999999999"}),
        row("tests_app.Order", id={"$decimal": "1E+999999999"}),
        row("tests_app.Order", total={"$int": "f" * 200_000}),
        {"$ref": ["tests_app.Order", {"$decimal": "1E+999999999"}, "default"]},
        {"$rows": ["tests_app.Order", [{"$decimal": "1E+999999999"}], "default"]},
        {"$enum": ["a." * 100_000, "x"]},
        {"$enum": ["os." + "path." * 50_000, "x"]},
    ],
    ids=["whole number", "key", "long", "reference", "rows", "path", "path in a module"],
)
def test_little_text_that_means_much_work_is_refused(form: Any) -> None:
    began = time.process_time()
    with pytest.raises(DecodeError):
        back(form)
    assert time.process_time() - began < 1


def test_sender_of_many_names_is_not_looked_for() -> None:
    began = time.process_time()
    assert isinstance(decode_sender(named("os", "path." * 50_000)), SenderNotLoaded)
    assert time.process_time() - began < 1


def test_set_of_what_chance_gives_is_no_larger_trouble() -> None:
    numbers = set(range(20_000))
    assert CODEC.decode(CODEC.encode(numbers)) == numbers


def test_generated_hash_of_a_declared_dataclass_is_no_code_of_its_own() -> None:
    def receive(sender: object, frozen: Frozen, **kwargs: object) -> None: ...

    codec = codec_for(receive)
    assert codec.decode(codec.encode({Frozen(1), Frozen(2)})) == {Frozen(1), Frozen(2)}


@pytest.mark.parametrize(
    "wrong",
    [
        {"redeliveries": 10**250},
        {"redeliveries": 2**31},
        {"attempt": 2**31},
        {"depth": 2**31},
        {"version": 2**31},
        {"sent_at": 1e11},
        {"sent_at": -1},
        {"receiver": "shop\nERROR all is lost"},
        {"receiver": "x" * 301},
        {"receiver": ""},
        {"receiver": "a b"},
        {"receiver": "a\u202eb"},
        {"signal": "a\x1b[31m"},
        {"using": "\x00"},
        {"id": "a\nb"},
    ],
    ids=str,
)
def test_envelope_is_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        unpack(text_of(**wrong))


def test_name_may_be_of_any_script() -> None:
    assert is_name("läden.empfänger.grüße")
    assert not is_name("a\u2028b")


SECRET = "a secret from a message"


@pytest.mark.parametrize(
    "form",
    [
        {"$date": SECRET},
        {"$decimal": SECRET},
        {"$datetime": [SECRET, 0, None]},
        {"$ip": ["IPv4Address", SECRET]},
        {"$zone": SECRET},
        {"$uuid": SECRET},
        {"$row": ["tests_app.Order", "unsaved", None, {"total": {"$field": SECRET}}]},
        {"$row": ["tests_app.Order", "unsaved", None, {"placed_at": SECRET}]},
        {"$set": [[SECRET]]},
        {"$dict": [SECRET]},
        {"$enum": [[SECRET], "x"]},
        {"$request": {"path": [SECRET]}},
    ],
    ids=str,
)
def test_error_and_log_quote_no_value(
    form: Any, signal: Signal, defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    listen(defer, signal, name="tests.support.recorder")
    message = unpack(text_of(receiver="tests.support.recorder", signal="#0", kwargs={"a": form}))
    with caplog.at_level(logging.DEBUG):
        outcome = executor.execute(message)
        executor.settle(message, outcome)
    assert isinstance(outcome, executor.Failed)
    assert isinstance(outcome.exception, DecodeError)
    assert SECRET not in str(outcome.exception)
    assert caplog.text
    assert SECRET not in caplog.text


def test_chain_that_once_ran_a_command_ends_at_its_first_link() -> None:
    """Three holes made it: code in a kwarg, any value in a field, any path that is set."""
    form = {
        "$carrying": [
            row(status=named("deferred_signals.message.wire")),
            {"status.may_be_too_deep": named("subprocess", "getoutput")},
        ]
    }
    with pytest.raises(DecodeError):
        decode_call(CODEC, {"x": form}, None)
    assert unpack(text_of()).kwargs is not None


def test_settings_and_models_are_out_of_reach() -> None:
    before = django_settings.ROOT_URLCONF, Order._meta.db_table, cache
    for path in ("_meta.apps.settings.ROOT_URLCONF", "_meta.db_table", "__class__.objects"):
        back({"$carrying": [row("tests_app.Order", "unsaved"), {path: "x"}]}, carry=("other",))
    assert (django_settings.ROOT_URLCONF, Order._meta.db_table, cache) == before


def test_message_of_version_1_with_flags_and_members_as_of_old_is_read() -> None:
    def receive(sender: object, bits: Bits, colour: Colour, **kwargs: object) -> None: ...

    codec = codec_for(receive)
    assert codec.decode({"$enum": [f"{Bits.__module__}.Bits", None, 3]}) is Bits.ONE | Bits.TWO
    assert codec.decode({"$enum": [f"{Colour.__module__}.Colour", "RED"]}) is Colour.RED
