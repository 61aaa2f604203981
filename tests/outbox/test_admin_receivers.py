"""The map of receivers in the admin: the search, the diagram, and pauses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.signals import post_save
from pytest_django import Settings

from deferred_signals.map import receiver_map
from deferred_signals.outbox import pause, paused
from deferred_signals.outbox.admin import diagram
from deferred_signals.outbox.admin.connections import Chosen
from deferred_signals.outbox.admin.diagram import diagram_of
from tests.app.models import Order
from tests.app.signals import order_placed
from tests.support.connected import Connected

from .visitors import Visitor, admin_url, text_of, visitor

__all__ = ["visitor"]

pytestmark = [
    pytest.mark.urls("tests.support.admin_urls"),
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

MAP, PAUSE, RESUME = (f"receiver_{name}" for name in ("changelist", "pause", "resume"))
VIEW, MAY_PAUSE = "view_receiver", "pause_receiver"

New = Callable[..., Visitor]


def new() -> Callable[..., None]:
    """Make a function that does nothing: Django connects each one once."""
    return lambda sender, **kwargs: None


@pytest.fixture(autouse=True)
def connected(defer: Connected, only_own_receivers: None) -> None:
    defer(order_placed, name="shop.receivers.book", durable=True)(new())
    defer(post_save, sender=Order, name="shop.mail.receipt", queue="mail")(new())


def test_map_takes_a_permission_of_its_own(visitor: New) -> None:
    assert visitor("view_outboxmessage").get(MAP).status_code == 403
    assert visitor(VIEW, name="ann").get(MAP).status_code == 200
    assert visitor(MAY_PAUSE, name="bob").get(MAP).status_code == 403


def test_map_shows_each_connection(visitor: New) -> None:
    text = text_of(visitor(VIEW).get(MAP))
    assert "shop.receivers.book" in text
    assert "from any sender deferred durable celery, 3 attempts" in text
    assert "django.db.models.signals.post_save from tests_app.Order deferred mail" in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["book", "receipt"]),
        ({"q": "BOOK"}, ["book"]),
        ({"q": "post_save"}, ["receipt"]),
        ({"q": "tests_app.order"}, ["receipt"]),
        ({"q": "mail"}, ["receipt"]),
        ({"q": "any sender"}, ["book"]),
        ({"q": "<script>"}, []),
        ({"runs": "sync"}, []),
        ({"runs": "deferred", "whose": "all"}, ["book", "receipt"]),
        ({"runs": "nowhere"}, ["book", "receipt"]),
    ],
)
def test_map_is_searched_by_signal_sender_receiver_and_queue(
    query: dict[str, str], names: list[str], visitor: New
) -> None:
    html = visitor(VIEW).get(MAP, **query).content.decode()
    text = html[html.find("<main") :]
    assert [name for name in ("book", "receipt") if f">{name}</text>" in text] == names
    assert "<script>" not in text


def test_map_shows_what_django_connects_if_asked(visitor: New) -> None:
    eve = visitor(VIEW)
    assert "django.core.signals.request_finished" not in text_of(eve.get(MAP))
    assert "django.core.signals.request_finished" in text_of(eve.get(MAP, whose="all"))


def test_map_works_without_a_durable_receiver(visitor: New, defer: Connected) -> None:
    defer.end()
    eve = visitor()
    assert "No receiver of this kind is connected." in text_of(eve.get(MAP, runs="deferred"))
    assert "request_finished" in text_of(eve.get(MAP, whose="all"))


def test_diagram_has_an_arrow_for_each_connection() -> None:
    found = Chosen(runs="deferred").part_of(receiver_map())
    drawn = diagram_of(found)
    assert drawn is not None
    assert sorted(arrow.kind for arrow in drawn.arrows) == ["deferred", "durable"]
    assert {box.name for box in drawn.boxes if box.kind == "frame"} == {
        "queue celery",
        "queue mail",
    }
    for box in drawn.boxes:
        assert 0 < box.x < box.x + box.width < drawn.width
        assert 0 < box.y < box.y + box.height < drawn.height
        for text in box.texts:
            assert box.x < text.x < box.x + box.width
            assert box.y < text.y <= box.y + box.height


def test_no_box_of_a_column_is_upon_another(defer: Connected) -> None:
    for number in range(5):
        defer([order_placed, post_save], name=f"shop.many.no_{number}", queue=f"q{number % 2}")(
            new()
        )
    drawn = diagram_of(Chosen(runs="deferred").part_of(receiver_map()))
    assert drawn is not None
    for kind in ("signal", "receiver", "frame"):
        boxes = sorted((box for box in drawn.boxes if box.kind == kind), key=lambda box: box.y)
        for above, below in pairwise(boxes):
            assert above.y + above.height < below.y


def test_diagram_that_nobody_could_follow_is_not_drawn(
    visitor: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagram, "MOST", 1)
    response = visitor(VIEW).get(MAP)
    assert "search for fewer" in text_of(response)
    assert "shop.receivers.book" in text_of(response)
    assert "ds-map" not in response.content.decode()


def test_names_are_cut_in_the_diagram_and_whole_in_the_table(
    visitor: New, defer: Connected
) -> None:
    name = f"shop.{'very_' * 20}long.name"
    defer(order_placed, name=name)(new())
    html = visitor(VIEW).get(MAP).content.decode()
    assert f"…{'very_' * 20}long"[-45:] in html
    assert f"<title>{name}</title>" in html
    assert f">{name} <" in html


def test_time_of_a_pause_has_its_zone_where_django_has_none(
    visitor: New, settings: Settings
) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "America/Chicago"
    pause("shop.receivers.book")
    html = visitor(VIEW).get(MAP).content.decode()
    (told,) = re.findall(r'<time datetime="([^"]+)"', html)
    age = datetime.now(UTC) - datetime.fromisoformat(told)
    assert abs(age.total_seconds()) < 120


def test_receivers_are_paused_and_resumed(visitor: New) -> None:
    eve = visitor(VIEW, MAY_PAUSE)
    name = "shop.receivers.book"
    text = text_of(eve.post(PAUSE, receiver=name))
    assert f"The receiver {name} is paused. What runs now goes on." in text
    assert "by eve" in text
    assert paused() == [name]
    assert "was paused already" in text_of(eve.post(PAUSE, receiver=name))
    text = text_of(eve.post(RESUME, receiver=name, back="q=book&whose=all"))
    assert f"The receiver {name} is resumed." in text
    assert paused() == []
    assert "was not paused" in text_of(eve.post(RESUME, receiver=name))
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Paused.",
        "Resumed.",
    ]


def test_pauses_take_a_permission_of_their_own(visitor: New) -> None:
    pause("tests.gone")
    eve = visitor(VIEW)
    assert eve.post(PAUSE, receiver="shop.receivers.book").status_code == 403
    assert eve.post(RESUME, receiver="tests.gone").status_code == 403
    assert paused() == ["tests.gone"]
    html = eve.get(MAP).content.decode()
    assert "tests.gone" in html
    assert admin_url(PAUSE) not in html
    assert admin_url(RESUME) not in html


def test_receiver_that_nobody_knows_is_resumed_but_not_paused(visitor: New) -> None:
    pause("tests.gone")
    eve = visitor()
    assert "knows no deferred receiver" in text_of(eve.post(PAUSE, receiver="tests.other"))
    assert "tests.gone is resumed." in text_of(eve.post(RESUME, receiver="tests.gone"))
    assert paused() == []


def test_only_durable_receivers_can_be_paused_from_the_map(visitor: New) -> None:
    html = visitor().get(MAP).content.decode()
    assert 'aria-label="Pause shop.receivers.book"' in html
    assert 'aria-label="Pause shop.mail.receipt"' not in html


@pytest.mark.parametrize(("page", "method"), [(MAP, "post"), (PAUSE, "get"), (RESUME, "get")])
def test_pages_take_one_method_only(page: str, method: str, visitor: New) -> None:
    assert getattr(visitor().client, method)(admin_url(page)).status_code == 405


def test_form_without_a_token_is_refused(visitor: New) -> None:
    eve = visitor(checks=True)
    response = eve.client.post(admin_url(PAUSE), {"receiver": "shop.receivers.book"})
    assert response.status_code == 403
    assert paused() == []
