"""What `changes` hold for fields of every kind, and what counts as the same value."""

import datetime as dt
import decimal
import enum
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connection, models
from django.db.models import F, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from deferred_signals import UNKNOWN, changed
from tests.app.models import Line, Order, Run
from tests.receivers.conftest import Follow
from tests.support.connected import Connected
from tests.support.followed_models import Followed, Phone, Span
from tests.support.recorder import listen, take_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager", "followed_tables")]

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)

Told = list[dict[str, Any]]


class State(models.TextChoices):
    NEW = "new"
    PAID = "paid"


class Text(str):
    """A text of a type of its own."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> "Text":
        raise TypeError("not to be copied")


def reloaded(row: models.Model) -> Any:
    return type(row)._base_manager.get(pk=row.pk)


#: A model, its field, what is stored, and another form of the same value.
SAME_VALUES: dict[str, tuple[type[models.Model], str, object, object]] = {
    "text for a decimal": (Order, "total", decimal.Decimal("9.90"), "9.90"),
    "decimal of fewer places": (Order, "total", decimal.Decimal("9.90"), decimal.Decimal("9.9")),
    "float for a decimal": (Order, "total", decimal.Decimal("9.50"), 9.5),
    "int for a decimal": (Order, "total", decimal.Decimal(9), 9),
    "text for an int": (Followed, "count", 5, "5"),
    "bool for an int": (Followed, "count", 1, True),
    "member of choices": (Order, "status", "paid", State.PAID),
    "safe text": (Order, "status", "paid", mark_safe("paid")),
    "text of a derived type": (Order, "status", "paid", Text("paid")),
    "lazy text": (Order, "status", "Monday", gettext_lazy("Monday")),
    "int for a text": (Order, "status", "7", 7),
    "time in another zone": (Order, "placed_at", NOON, "2026-01-31T13:00:00+01:00"),
    "text for a date": (Followed, "on", NOON.date(), "2026-01-31"),
    "time for a date": (Followed, "on", NOON.date(), NOON),
    "bytearray": (Followed, "blob", b"\0\xff", bytearray(b"\0\xff")),
    "memoryview": (Followed, "blob", b"\0\xff", memoryview(b"\0\xff")),
    "text for a field's own type": (Followed, "phone", Phone("030 123"), "030-123"),
    "tuples, and another order": (
        Followed,
        "tags",
        ["a", {"b": 1, "a": [2]}],
        ("a", {"a": (2,), "b": 1}),
    ),
    "numbers as keys": (Followed, "tags", {"1": 2}, {1: 2}),
    "name of a file": (Line, "document", "a.txt", "a.txt"),
}


@pytest.mark.parametrize("form", SAME_VALUES)
def test_other_form_of_the_same_value_is_no_change(form: str, follow: Follow) -> None:
    model, name, stored, given = SAME_VALUES[form]
    others = {"order": Order.objects.create()} if model is Line else {}
    row = reloaded(model._base_manager.create(**{name: stored}, **others))
    recorder = follow(model, name)
    row = reloaded(row)
    setattr(row, name, given)
    row.save()
    row.save()
    assert take_changes(recorder) == []
    reloaded(row).save()
    assert take_changes(recorder) == []


def test_text_for_a_number_is_told_as_the_number(follow: Follow) -> None:
    recorder = follow(Order, "total", to=decimal.Decimal("9.90"), was="1")
    order = reloaded(Order.objects.create(total=1))
    take_changes(recorder)
    order.total = "9.9"
    order.save()
    assert take_changes(recorder) == [{"total": (decimal.Decimal(1), decimal.Decimal("9.9"))}]


@pytest.mark.parametrize("given", ["2026-01-31T12:00", NOON.replace(tzinfo=None)])
@pytest.mark.filterwarnings("ignore:DateTimeField:RuntimeWarning")
def test_naive_time_is_taken_in_the_default_zone_as_django_takes_it(
    given: object, follow: Follow, settings: Settings
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    recorder = follow(Order, "placed_at")
    order = reloaded(Order.objects.create(placed_at=dt.datetime(2026, 1, 31, 11, tzinfo=dt.UTC)))
    take_changes(recorder)
    order.placed_at = given
    order.save()
    assert take_changes(recorder) == []


def test_time_of_a_foreign_zone_is_told_in_utc(follow: Follow) -> None:
    class Foreign(dt.tzinfo):
        def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
            return dt.timedelta(hours=1)

        def dst(self, when: dt.datetime | None) -> dt.timedelta:
            return dt.timedelta()

        def tzname(self, when: dt.datetime | None) -> str:
            return "of a package"

    recorder = follow(Order, "placed_at")
    Order.objects.create(placed_at=dt.datetime(2026, 1, 31, 13, tzinfo=Foreign()))
    assert take_changes(recorder) == [
        {"placed_at": (None, dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC))}
    ]


def test_member_of_choices_is_told_and_asked_for_as_its_value(follow: Follow) -> None:
    recorder = follow(Order, "status", to=State.PAID, was=State.NEW)
    order = reloaded(Order.objects.create(status=State.NEW))
    order.status = State.PAID
    order.save()
    (told,) = take_changes(recorder)
    assert told == {"status": ("new", "paid")}
    assert [type(value) for value in told["status"]] == [str, str]


class Colour(enum.Enum):
    RED = "red"


def test_member_of_an_enum_that_is_no_text_is_told_as_its_field_stores_it(
    follow: Follow,
) -> None:
    recorder = follow(Order, "status")
    order = Order.objects.create(status=Colour.RED)  # type: ignore[misc]  # a careless project
    order.save()
    reloaded(order).save()
    assert take_changes(recorder) == [{"status": (None, reloaded(order).status)}]


@pytest.mark.parametrize(
    "value", [UNKNOWN, F("status"), object(), [], {"a": 1}], ids=lambda value: type(value).__name__
)
def test_condition_may_ask_for_nonsense(value: Any, follow: Follow, defer: Connected) -> None:
    recorder = listen(defer, post_save, sender=Order, when=changed("status", to=value))
    Order.objects.create(status=str(UNKNOWN))
    assert recorder.calls == []


def test_true_is_no_one_in_json(follow: Follow) -> None:
    recorder = follow(Followed, "tags")
    row = reloaded(Followed.objects.create(tags={"on": 1}))
    take_changes(recorder)
    row.tags["on"] = True
    row.save()
    assert take_changes(recorder) == [{"tags": ({"on": 1}, {"on": True})}]


def test_list_that_changes_in_place_is_told_as_it_was_and_is(follow: Follow) -> None:
    recorder = follow(Followed, "tags", to=["a", "b"])
    row = Followed.objects.create(tags=["a"])
    row.tags.append("b")
    row.save()
    row.tags.append("c")
    row.save()
    assert take_changes(recorder) == [{"tags": (["a"], ["a", "b"])}]


def test_json_that_is_too_deep_for_the_wire_is_unknown(follow: Follow) -> None:
    recorder = follow(Followed, "tags")
    deep: dict[str, Any] = {}
    for _ in range(30):  # MariaDB takes no more than 32
        deep = {"in": deep}
    Followed.objects.create(tags=deep)
    assert take_changes(recorder) == [{"tags": (None, UNKNOWN)}]


def test_value_that_only_the_encoder_of_its_field_can_write_is_told_as_json(
    follow: Follow,
) -> None:
    recorder = follow(Run, "payload")
    Run.log("x", at=dt.date(2026, 1, 31))
    assert take_changes(recorder) == [{"payload": (None, {"at": "2026-01-31"})}]


@pytest.mark.parametrize("expression", [F("count") + 1, Value(7)], ids=repr)
def test_expression_counts_as_a_change(expression: Any, follow: Follow) -> None:
    recorder = follow(Followed, "count")
    asked = follow(Followed, "count", to=6)
    row = reloaded(Followed.objects.create(count=5))
    take_changes(recorder)
    row.count = expression
    row.save()
    (told,) = take_changes(recorder)
    now = vars(row).get("count")  # Django 6.0 reads it back, on some databases
    assert told == {"count": (5, now if isinstance(now, int) else UNKNOWN)}
    assert len(asked.calls) == (told["count"][1] == 6)
    row.refresh_from_db()
    row.save()
    assert take_changes(recorder) == []
    row.count = 3
    row.save()
    assert take_changes(recorder)[0]["count"][1] == 3


def test_default_of_the_database_is_told_where_django_reads_it_back(follow: Follow) -> None:
    recorder = follow(Followed, "code")
    row = Followed.objects.create()
    (told,) = take_changes(recorder)
    read_back = connection.features.can_return_columns_from_insert
    assert told == {"code": (None, "new" if read_back else UNKNOWN)}
    row.code = DatabaseDefault(Value("new"))
    row.save()
    (told,) = take_changes(recorder) or [{"code": ("new", "new")}]
    assert told["code"][1] in {"new", UNKNOWN}


def test_value_that_its_field_refuses_is_unknown(follow: Follow) -> None:
    recorder = follow(Followed, "picky")
    asked = follow(Followed, "picky", to="why?")
    row = Followed.objects.create(picky="so")
    take_changes(recorder)
    row.picky = "why?"
    row.save()
    assert take_changes(recorder) == [{"picky": ("so", UNKNOWN)}]
    row.picky = "so"
    row.save()
    assert take_changes(recorder) == [{"picky": (UNKNOWN, "so")}]
    assert asked.calls == []


def test_value_of_a_type_that_nothing_is_known_of_is_unknown(follow: Follow) -> None:
    recorder = follow(Followed, "span")
    row = reloaded(Followed.objects.create(span=Span("a")))
    take_changes(recorder)
    row.save()
    assert take_changes(recorder) == [{"span": (UNKNOWN, UNKNOWN)}]
    row.span = None
    row.save()
    row.save()
    assert take_changes(recorder) == [{"span": (UNKNOWN, None)}]


def test_value_of_a_fields_own_type_is_told_as_it_is_stored(follow: Follow) -> None:
    recorder = follow(Followed, "phone", to="030 456")
    row = reloaded(Followed.objects.create(phone=Phone("030 123")))
    row.phone = Phone("030-456")
    row.save()
    assert take_changes(recorder) == [{"phone": ("030123", "030456")}]


def test_upload_is_told_by_the_name_that_it_is_stored_under(
    follow: Follow, settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = tmp_path
    recorder = follow(Followed, "photo")
    large = TemporaryUploadedFile("large.png", "image/png", 4, None)
    large.write(b"large")
    row = Followed.objects.create(photo=SimpleUploadedFile("small.png", b"small"))
    row.photo = large
    row.save()
    large.close()
    row.photo = None
    row.save()
    row.photo.save("named.png", ContentFile(b"named"))
    assert take_changes(recorder) == [
        {"photo": (None, "photos/small.png")},
        {"photo": ("photos/small.png", "photos/large.png")},
        {"photo": ("photos/large.png", "")},
        {"photo": ("", "photos/named.png")},
    ]
    row = reloaded(row)
    assert row.photo.read() == b"named"
    row.photo.close()
    row.save()
    assert take_changes(recorder) == []


def test_field_that_is_set_while_it_is_saved_has_changed(follow: Follow) -> None:
    recorder = follow(Followed, "slug")
    row = reloaded(Followed.objects.create(name="One"))
    row.name = "Two"
    row.save()
    assert take_changes(recorder) == [{"slug": (None, "one")}, {"slug": ("one", "two")}]


def test_field_that_a_later_handler_of_pre_save_sets_has_changed(
    follow: Follow, defer: Connected
) -> None:
    recorder = follow(Order, "status")

    def pay(instance: Order, **kwargs: object) -> None:
        instance.status = "paid"

    order = reloaded(Order.objects.create())
    take_changes(recorder)
    pre_save.connect(pay, sender=Order)
    try:
        order.save()
    finally:
        pre_save.disconnect(pay, sender=Order)
    assert take_changes(recorder) == [{"status": ("new", "paid")}]


def test_field_of_an_abstract_parent_is_the_childs(follow: Follow) -> None:
    recorder = follow(Followed, "on")
    row = reloaded(Followed.objects.create())
    take_changes(recorder)
    row.on = dt.date(2026, 1, 31)
    row.save()
    assert take_changes(recorder) == [{"on": (None, dt.date(2026, 1, 31))}]


def test_nothing_is_copied_deeply(follow: Follow) -> None:
    recorder = follow(Order, "status")
    order = reloaded(Order.objects.create())
    order.status = Text("paid")
    order.save()
    assert take_changes(recorder)[-1] == {"status": ("new", "paid")}


def test_subclasses_of_dates_are_told_as_dates(follow: Follow) -> None:
    class Moment(dt.datetime):
        """A class as packages have that stop the clock."""

    recorder = follow(Order, "placed_at")
    now = timezone.now()
    order = Order.objects.create(placed_at=Moment.fromtimestamp(now.timestamp(), dt.UTC))
    (told,) = take_changes(recorder)
    assert told == {"placed_at": (None, order.placed_at)}
    assert type(told["placed_at"][1]) is dt.datetime
