"""Rows with fields of any kind: saving and deleting them never fails for what they hold."""

import copy
import pickle
from collections import OrderedDict, defaultdict
from datetime import datetime
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import F, Manager, QuerySet, TextChoices
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import Signal
from django.forms.models import model_to_dict
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from pytest_django import DjangoAssertNumQueries, Settings

from deferred_signals import DecodeError, MessageTooLarge, SerializationError, register_type
from deferred_signals.serialization import trusted_fields
from deferred_signals.testing import manual
from tests.app.fields import Blocks, Code, Money, MoneyField
from tests.app.models import Article, Comment, Label, Order, Run, Ticket
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


def article(**fields: Any) -> Article:
    return Article.objects.create(
        **{"title": "Grüße", "price": Money(Decimal(7)), "body": Blocks([1]), "secret": "hush",
           "extra": {"a": 1}, "noise": "n", "picture": b"\0\1", "facts": {"a": [1]}, **fields}
    )  # fmt: skip


def test_row_with_a_key_of_its_own_type_travels_by_reference(defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Article)
    row = article()
    assert type(recorder["instance"].pk) is Code
    assert recorder["instance"] == row
    assert recorder["instance"].price == Money(Decimal(7))


def test_row_whose_foreign_key_is_of_such_a_type_travels(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, [post_save, signal], snapshot=True)
    comment = Comment.objects.create(article=article())
    signal.send(Comment, comment=comment, nested=[comment.article])
    assert recorder.calls[-1]["comment"].article == comment.article
    assert recorder.calls[-1]["nested"][0].pk == comment.article.pk.number


def test_keys_of_such_a_type_in_a_set_travel(defer: Connected) -> None:
    recorder = listen(defer, m2m_changed, sender=Comment.tags.through)
    tagged = article()
    comment = Comment.objects.create(article=tagged)
    comment.tags.add(tagged)
    assert recorder["pk_set"] == {tagged.pk.number}
    comment.tags.clear()
    assert recorder.calls[-1]["pk_set"] == {tagged.pk.number}


def test_queryset_of_rows_with_such_keys_travels(signal: Signal, defer: Connected) -> None:
    found: list[Any] = []

    @defer(signal)
    def receive(sender: object, rows: QuerySet[Article], **kwargs: object) -> None:
        found.extend(rows)

    row = article()
    signal.send(None, rows=Article.objects.all())
    assert found == [row]


def test_deleted_row_has_what_may_be_read_and_says_why_the_rest_stayed(defer: Connected) -> None:
    recorder = listen(defer, post_delete, sender=Article)
    row = article()
    pk = row.pk
    row.delete()
    gone = recorder["instance"]
    assert (gone.pk, gone.title, gone.picture, gone.facts) == (
        pk.number, "Grüße", b"\0\1", {"a": [1]},
    )  # fmt: skip
    assert gone.get_deferred_fields() == {"price", "body", "secret", "extra", "noise"}
    for name, words in {
        "price": r"Article\.price did not travel .*call register_type\(MoneyField\)",
        "secret": r"Article\.secret did not travel .*encrypts what it stores",
    }.items():
        with pytest.raises(DecodeError, match=words):
            getattr(gone, name)
    with pytest.raises(DecodeError, match="did not travel"):
        model_to_dict(gone)


def test_field_that_stayed_behind_is_loaded_where_the_row_is_still_there(
    signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    signal.send(None, row=article())
    assert recorder["row"].price == Money(Decimal(7))
    assert recorder["row"].secret == "hush"


def test_registered_class_of_fields_travels_in_snapshots(
    defer: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trusted_fields, "_registered", set())
    register_type(MoneyField)
    recorder = listen(defer, post_delete, sender=Article)
    article().delete()
    assert recorder["instance"].price == Money(Decimal(7))
    assert recorder["instance"].get_deferred_fields() == {"body", "secret", "extra", "noise"}


def test_all_fields_but_encrypted_ones_travel_in_signed_messages(
    defer: Connected, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "SIGNING": True}
    recorder = listen(defer, post_delete, sender=Article)
    article().delete()
    gone = recorder["instance"]
    assert (gone.price, gone.body.blocks, gone.extra) == (Money(Decimal(7)), [1], {"a": 1})
    assert gone.get_deferred_fields() == {"secret"}


@pytest.mark.parametrize(
    "text",
    ["я" * 22_000, "я" * 300_000, "\0" * 300_000, "😀" * 100_000],
    ids=["fits", "large", "escaped", "large emoji"],
)
def test_delete_never_fails_for_its_size(
    text: str, defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = listen(defer, post_delete, sender=Run)
    run = Run.objects.create(receiver="x", payload={"text": text})
    with transaction.atomic():
        run.delete()
    gone = recorder["instance"]
    assert gone.receiver == "x"
    assert recorder["origin"] == gone
    if len(text.encode()) < 100_000:
        assert gone.payload == {"text": text}
    else:
        assert gone.get_deferred_fields() == {"payload"}
        assert "goes without its fields tests_app.Run.payload" in caplog.text
        with pytest.raises(DecodeError, match="too large"):
            _ = gone.payload


def test_only_the_largest_fields_are_left_out(defer: Connected, settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "MAX_MESSAGE_BYTES": 2048}
    recorder = listen(defer, post_delete, sender=Run)
    Run.objects.create(receiver="r" * 150, message_id="m" * 90, payload={"a": "x" * 5000}).delete()
    assert recorder["instance"].get_deferred_fields() == {"payload"}


def test_children_of_a_large_parent_are_told_of(defer: Connected, settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "MAX_MESSAGE_BYTES": 2048}
    recorder = listen(defer, post_delete, sender=Comment)
    parent = article(facts={"a": "x" * 5000})
    Comment.objects.create(article=parent)
    parent.delete()
    assert recorder["origin"].title == "Grüße"
    assert "facts" in recorder["origin"].get_deferred_fields()


def test_message_that_tells_of_no_delete_is_refused_for_its_size(
    signal: Signal, got: Recorder
) -> None:
    with pytest.raises(MessageTooLarge, match="exclude_fields="):
        signal.send(None, text="я" * 300_000)
    assert got.calls == []


def test_delete_never_fails_for_the_depth_of_a_field(
    defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = listen(defer, post_delete, sender=Run, carry=("note",))
    for depth in (80, 97, 150):
        payload: Any = []
        for _ in range(depth):
            payload = [payload]
        run = Run.objects.create(receiver=str(depth), payload=payload)
        run.note = [[1]]  # type: ignore[attr-defined]  # carried
        run.delete()
    assert [call["instance"].receiver for call in recorder.calls] == ["80", "97", "150"]
    assert "stays behind" in caplog.text


def test_delete_never_fails_for_what_is_in_memory(
    defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = listen(defer, post_delete, sender=Run)
    run = Run.objects.create(receiver="x")
    run.payload, run.attempt = {"a": object()}, F("attempt") + 1
    run.delete()
    assert recorder["instance"].get_deferred_fields() == {"payload", "attempt"}
    assert "Field tests_app.Run.payload of a deleted row stays behind" in caplog.text


def test_model_that_reads_a_field_that_stayed_behind_is_not_taken_for_a_missing_row(
    defer: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = listen(defer, post_delete, sender=User, retry=None)
    original = User.__init__

    def init(self: User, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _ = self.password

    User.__init__ = init  # type: ignore[assignment, method-assign]  # for this test
    try:
        with pytest.raises(DecodeError, match="field that stayed behind"):
            User.objects.create(username="ada", password="x").delete()
    finally:
        User.__init__ = original  # type: ignore[method-assign]  # as it was
    assert recorder.calls == []
    assert "does not exist" not in caplog.text


def pickled(row: Any) -> Any:
    return pickle.loads(pickle.dumps(row))  # noqa: S301 - it was pickled here


def test_copy_of_a_deleted_row_can_be_saved_as_a_new_one(defer: Connected) -> None:
    recorder = listen(defer, post_delete, sender=Order)
    Order.objects.create(status="paid").delete()
    gone = recorder["instance"]
    for new in (copy.copy(gone), copy.deepcopy(gone), pickled(gone)):
        with pytest.raises(TypeError, match="cannot be saved"):
            new.save()
        new.pk, new._state.adding = None, True
        new.save()
        assert Order.objects.get(pk=new.pk).status == "paid"
    with pytest.raises(TypeError, match="cannot be saved"):
        gone.save()


def test_row_that_travelled_can_be_made_anew_of_its_values(defer: Connected) -> None:
    recorder = listen(defer, post_delete, sender=Order)
    Order.objects.create(status="paid").delete()
    values = {name: value for name, value in vars(recorder["instance"]).items() if name[0] != "_"}
    assert Order(**values).status == "paid"


def test_pickled_row_still_says_what_stayed_behind(defer: Connected) -> None:
    recorder = listen(defer, post_delete, sender=User)
    User.objects.create(username="ada", password="x").delete()
    again = pickled(recorder["instance"])
    assert again.username == "ada"
    with pytest.raises(DecodeError, match="password did not travel"):
        _ = again.password


def test_saved_snapshot_with_fields_left_behind_is_not_saved_whole(
    signal: Signal, defer: Connected
) -> None:
    recorder = listen(defer, signal, snapshot=True)
    ada = User.objects.create(username="ada", password="x")
    signal.send(None, user=ada)
    with pytest.raises(TypeError, match="snapshot"):
        recorder["user"].save()
    recorder["user"].first_name = "Ada"
    recorder["user"].save(update_fields=["first_name"])
    ada.refresh_from_db()
    assert (ada.first_name, ada.password) == ("Ada", "x")


class Size(Enum):
    LARGE = "L"


class Mood(TextChoices):
    GOOD = "good"


class Word(str):  # noqa: SLOT000 - a type of a project's own
    pass


class Number(int):
    pass


class Moment(datetime):
    pass


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (QueryDict("a=1&a=2"), MultiValueDict({"a": ["1", "2"]})),
        (Word("x"), "x"),
        (Number(3), 3),
        (Moment(2026, 1, 31, 12, 30), datetime(2026, 1, 31, 12, 30)),  # noqa: DTZ001 - a naive one
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (Size.LARGE, Size.LARGE),
        (Mood.GOOD, Mood.GOOD),
        pytest.param({Size.LARGE: {Mood.GOOD}}, {Size.LARGE: {Mood.GOOD}}, id="member as a key"),
        (ip_address("192.0.2.1"), ip_address("192.0.2.1")),
        (ip_address("::1"), ip_address("::1")),
        (ZoneInfo("Europe/Vienna"), ZoneInfo("Europe/Vienna")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_travels_as_what_it_is_a_kind_of(
    sent: Any, arrives: Any, signal: Signal, got: Recorder
) -> None:
    signal.send(None, value=sent, nested=[{"a": (sent,)}])
    assert got["value"] == arrives
    assert type(got["value"]) is type(arrives)
    assert got["nested"] == [{"a": (arrives,)}]


def test_several_values_of_a_querydict_arrive(signal: Signal, got: Recorder) -> None:
    signal.send(None, data=QueryDict("a=1&a=2"))
    assert got["data"]["a"] == "2"
    assert got["data"].getlist("a") == ["1", "2"]


def test_enum_that_no_path_leads_to_is_refused(signal: Signal, got: Recorder) -> None:
    class Local(Enum):
        ONE = 1

    with pytest.raises(SerializationError, match="top of a module, or send its value"):
        signal.send(None, value=Local.ONE)
    assert got.calls == []


def test_member_of_an_enum_is_a_key_by_its_value(signal: Signal, got: Recorder) -> None:
    Label.objects.create(name="good")
    label = Label.objects.get()
    label.name = Mood.GOOD
    signal.send(None, label=label)
    assert got["label"].name == "good"


def nested(depth: int) -> list[Any]:
    """Make a list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((number for number in (1,)), r"Send a list: list\(\.\.\.\)"),
        ({}.keys(), r"Send a list: list\(\.\.\.\)"),
        (type("", (), {"__module__": "x"}).__dict__, r"Send a dict: dict\(\.\.\.\)"),
        (object(), r"exclude=\('value',\)"),
        (nested(150), r"nested too deeply\. Send a key"),
        (nested(100_000), r"nested too deeply\. Send a key"),
    ],
    ids=["generator", "keys", "mapping", "object", "deep", "deeper than the stack"],
)
def test_refusal_names_the_remedy_that_fits(
    value: Any, words: str, signal: Signal, got: Recorder
) -> None:
    with pytest.raises(SerializationError, match=words):
        signal.send(None, value=value)
    assert got.calls == []


def test_manager_is_refused_with_the_remedy(signal: Signal, got: Recorder) -> None:
    order = Order.objects.create()
    for manager in (order.lines, Order.objects):
        assert isinstance(manager, Manager)
        with pytest.raises(SerializationError, match=r"call \.all\(\) on it"):
            signal.send(None, lines=manager)


def test_error_of_a_send_is_no_error_that_others_catch(signal: Signal, got: Recorder) -> None:
    with pytest.raises(SerializationError) as caught:
        signal.send(None, value=object())
    assert not isinstance(caught.value, (TypeError, ValueError))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"Password": "x"},
        {"data": {"password": "x"}},
        {"data": [{"API_KEY": "x"}]},
        {"data": {1: {"Secret": "x"}}},
        {"data": ({"a": {"access_token": 1}},)},
    ],
    ids=str,
)
def test_secret_is_refused_wherever_its_name_stands(
    kwargs: Any, signal: Signal, got: Recorder
) -> None:
    with pytest.raises(SerializationError, match="name of a secret") as caught:
        signal.send(None, **kwargs)
    assert "'x'" not in str(caught.value)
    assert got.calls == []


@pytest.mark.parametrize(
    "kwargs",
    [
        {"update_fields": frozenset({"password"})},
        {"fields": ["password", "secret"]},
        {"text": "the password of ada"},
        {"passwords": 3, "secretary": {"secretly": 1}},
    ],
    ids=str,
)
def test_name_of_a_secret_as_a_value_is_none(kwargs: Any, signal: Signal, got: Recorder) -> None:
    signal.send(None, **kwargs)
    assert got.calls[0].items() >= kwargs.items()


def test_secret_may_be_excluded_or_allowed(
    signal: Signal, defer: Connected, settings: Settings
) -> None:
    recorder = listen(defer, signal, exclude=("data",))
    signal.send(None, data={"password": "x"}, order_id=7)
    assert recorder["order_id"] == 7
    settings.DEFERRED_SIGNALS = {"EAGER": True, "SENSITIVE": ("Pin",)}
    recorder.clear()
    signal.send(None, password="x")
    assert recorder["password"] == "x"
    with pytest.raises(SerializationError, match="PIN"):
        signal.send(None, PIN=1)


def test_two_states_of_one_row_arrive_as_they_were(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal)
    old = Order.objects.create(status="new")
    now = Order.objects.get()
    now.status = "paid"
    now.save()
    signal.send(None, instance=now, instance_before=old)
    assert (recorder["instance"].status, recorder["instance_before"].status) == ("paid", "new")
    assert recorder["instance"] == recorder["instance_before"]


def test_two_instances_that_are_alike_stay_references(signal: Signal, defer: Connected) -> None:
    listen(defer, signal)
    order = Order.objects.create(status="new")
    with manual() as collected:
        signal.send(None, one=order, same=Order.objects.get(), other=Ticket.objects.create())
    (wire,) = collected.wires
    assert wire.count('"$ref"') == 3
    assert '"$row"' not in wire


def test_evaluated_queryset_travels_as_it_is(
    signal: Signal, defer: Connected, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    found: list[Order] = []

    @defer(signal)
    def receive(sender: object, rows: QuerySet[Order], **kwargs: object) -> None:
        found.extend(rows)

    for _ in range(5):
        Order.objects.create(status="new")
    rows = Order.objects.filter(status="new")
    assert len(rows) == 5
    Order.objects.update(status="paid")
    signal.send(None, rows=rows)
    assert len(found) == 5
    found.clear()
    (winner,) = drawn = Order.objects.order_by("?")[:1]
    with django_assert_num_queries(3):  # the receiver's own look, and the block around its run
        signal.send(None, rows=drawn)
    assert found == [winner]


def test_snapshot_of_the_sender_is_asked_for_by_its_name(signal: Signal, defer: Connected) -> None:
    recorder = listen(defer, signal, snapshot=("sender",))
    order = Order.objects.create(status="new")
    order.status = "only in memory"
    signal.send(order, other=order)
    assert recorder["sender"].status == "only in memory"
    assert recorder["other"].status == "new"


def test_historical_model_is_refused_with_the_remedy(signal: Signal, got: Recorder) -> None:
    old = MigrationLoader(connection).project_state().apps.get_model("tests_app", "Order")
    with pytest.raises(SerializationError, match=r"with muted\(\)"):
        signal.send(None, order=old.objects.create())
    assert got.calls == []
