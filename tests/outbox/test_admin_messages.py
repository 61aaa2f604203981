"""The list of messages in the admin, and the page of one: what visitors see, by their permissions."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from deferred_signals.outbox import pause
from deferred_signals.outbox.admin.values import Shown
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.operations import listing
from deferred_signals.outbox.operations import status as status_module
from tests.app.models import Order
from tests.support.stored import ago, stored

from .rows import NOWHERE, Kept, database_away
from .visitors import Visitor, admin_url, link_of, text_of, visitor

__all__ = ["visitor"]

pytestmark = [
    pytest.mark.urls("tests.support.admin_urls"),
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
]

LIST, PAGE, ACT, HISTORY = (
    f"outboxmessage_{name}" for name in ("changelist", "change", "act", "history")
)
VIEW = "view_outboxmessage"
VALUES = "view_outboxmessage_values"
ERROR = """\
Traceback (most recent call last):
  File "shop/receivers.py", line 7, in book
    raise LookupError(customer)
LookupError: no such customer: eve@example.org
"""

New = Callable[..., Visitor]


def test_anonymous_visitors_are_asked_to_log_in() -> None:
    response = Client().get(admin_url(LIST))
    assert response.status_code == 302
    assert "/admin/login/" in response["Location"]


@pytest.mark.parametrize("permission", ["pause_receiver", "replay_outboxmessage", VALUES])
def test_staff_who_may_not_view_messages_see_none(permission: str, visitor: New) -> None:
    id_ = stored("tests.book")
    eve = visitor(permission)
    assert eve.get(LIST).status_code == 403
    assert eve.get(PAGE, id_).status_code == 403
    assert eve.get(HISTORY, id_).status_code == 403


def test_index_of_the_admin_offers_nothing_to_add_or_change(visitor: New) -> None:
    html = visitor().client.get("/admin/deferred_signals_outbox/").content.decode()
    assert "Durable messages" in html
    assert "Receivers" in html
    assert 'class="addlink"' not in html.partition("app-deferred_signals_outbox")[2]
    assert 'class="changelink"' not in html.partition("app-deferred_signals_outbox")[2]
    assert 'class="viewlink"' in html


@pytest.mark.parametrize("page", ["add/", "{}/delete/", "autocomplete/", "{}/"])
def test_pages_of_django_that_change_rows_are_not_there(page: str, visitor: New) -> None:
    id_ = stored("tests.book")
    path = admin_url(LIST) + page.format(id_)
    eve = visitor()
    assert eve.client.get(path).status_code == 404
    assert eve.client.post(path, {"post": "yes"}).status_code == 404
    assert OutboxMessage.objects.filter(id=id_).exists()


@pytest.mark.parametrize(("page", "method"), [(LIST, "post"), (PAGE, "post"), (ACT, "get")])
def test_pages_take_one_method_only(page: str, method: str, visitor: New) -> None:
    path = admin_url(page, *([stored("tests.book")] if page == PAGE else []))
    assert getattr(visitor().client, method)(path).status_code == 405


def test_list_shows_states_at_a_glance(visitor: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "MOST", 2)
    for _ in range(3):
        stored("tests.book", dead_at=ago(7300))
    stored("tests.pack", due_at=ago(200))
    pause("tests.wait")
    text = text_of(visitor(VIEW).get(LIST))
    assert "dead 2+ oldest 2 h" in text
    assert "due 1 oldest 3 min" in text
    assert "running 0" in text
    assert "Paused: tests.wait." in text
    assert "no relay lives" in text


def test_list_shows_each_message_with_its_state(visitor: New) -> None:
    id_ = stored("tests.book", subject="shop.Order 7", dead_at=ago(90), attempt=3)
    text = text_of(visitor(VIEW).get(LIST))
    assert f"dead tests.book {id_} shop.Order 7 90 s ago" in text


def test_list_tells_who_runs_a_message(visitor: New) -> None:
    stored("tests.book", due_at=ago(-50), claimed_by="worker-1:712", claimed_at=ago(9))
    assert "9 s ago, worker-1:712" in text_of(visitor(VIEW).get(LIST, state="running"))


def test_list_asks_for_no_count_and_no_payload(visitor: New) -> None:
    for _ in range(60):
        stored("tests.book")
    eve = visitor(VIEW)
    with CaptureQueriesContext(connection) as queries:
        eve.get(LIST)
    of_table = [query["sql"] for query in queries if "outboxmessage" in query["sql"]]
    assert of_table
    assert not [sql for sql in of_table if "COUNT" in sql.upper() or "payload" in sql]
    assert not [sql for sql in of_table if "LIMIT" not in sql.upper()]


def test_pages_follow_one_another_both_ways(visitor: New, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [stored(f"tests.no_{number}") for number in range(listing.PAGE + 5)]
    eve = visitor(VIEW)
    first = eve.get(LIST)
    assert text_of(first).count("tests.no_") == listing.PAGE
    stored("tests.newer")
    second = eve.client.get(admin_url(LIST) + link_of(first, "next"))
    text = text_of(second)
    assert [id_ in text for id_ in ids[:6]] == [True] * 5 + [False]
    assert "tests.newer" not in text
    back = eve.client.get(admin_url(LIST) + link_of(second, "prev"))
    assert text_of(back).count("tests.no_") == listing.PAGE
    assert "tests.newer" not in text_of(back)
    assert 'rel="prev"' in back.content.decode()
    assert "tests.newer" in text_of(eve.get(LIST))


@pytest.mark.parametrize(
    "query",
    [
        {"after": "x"},
        {"before": '["x"]'},
        {"state": "nowhere"},
        {"using": "nowhere"},
        {"q": "\0"},
        {"q": "%"},
    ],
)
def test_address_that_makes_no_sense_shows_a_list_all_the_same(
    query: dict[str, str], visitor: New
) -> None:
    stored("tests.book")
    response = visitor(VIEW).get(LIST, **query)
    assert response.status_code == 200
    assert ("tests.book" in text_of(response)) == (query != {"q": "%"})


def test_messages_are_searched_by_id_receiver_and_subject(visitor: New) -> None:
    book = stored("tests.book", subject="shop.Order 7")
    pack = stored("tests.pack", subject="shop.Order 70", dead_at=ago(5))
    eve = visitor(VIEW)

    def found(**query: str) -> list[bool]:
        text = text_of(eve.get(LIST, **query))
        return [book in text, pack in text]

    assert found(q=book) == [True, False]
    assert found(q=pack.replace("-", "").upper()) == [False, True]
    assert found(q="BOOK") == [True, False]
    assert found(q="shop.Order 7") == [True, False]
    assert found(q="shop.Order 70", state="dead") == [False, True]
    assert found(q="tests", state="dead") == [False, True]
    assert found(q=NOWHERE) == [False, False]
    assert "not in the outbox" in text_of(eve.get(LIST, q=NOWHERE))


def test_list_is_of_one_database_at_a_time(visitor: New, configure: Callable[..., None]) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    here, there = stored("tests.book"), stored("tests.pack", using="other")
    eve = visitor(VIEW)
    assert here in text_of(eve.get(LIST))
    assert there not in text_of(eve.get(LIST))
    assert there in text_of(eve.get(LIST, using="other"))
    assert there in text_of(eve.get(LIST, q=there))
    assert "Database other" in text_of(eve.get(PAGE, there))


def test_list_says_which_database_is_away(visitor: New, configure: Callable[..., None]) -> None:
    configure(OUTBOX={"DATABASES": ["default", "other"]})
    eve = visitor(VIEW)
    connections["other"].close()
    with database_away("other"):
        response = eve.get(LIST, using="other")
    assert "The outbox of other cannot be read (OperationalError)." in text_of(response)


def test_page_shows_what_is_known_of_a_message_and_who_runs_it(visitor: New, kept: Kept) -> None:
    kept.connect(name="tests.book", retry=None)
    id_ = stored(
        "tests.book",
        {"order": {"$ref": ["tests_app.Order", 7, "default"]}, "note": "secret"},
        subject="tests_app.Order 7",
        attempt=1,
        due_at=ago(-50),
        claimed_by="worker-1:712",
        claimed_at=ago(9),
        options='{"priority": 3}',
    )
    text = text_of(visitor(VIEW).get(PAGE, id_))
    assert "tests.book running" in text
    assert "Call tests.book(order=tests_app.Order 7, note)" in text
    assert "Run by worker-1:712" in text
    assert "9 s ago" in text
    assert "Runs begun 1 of 1" in text
    assert "Own options priority" in text
    assert "Its receiver" in text
    assert "secret" not in text


@pytest.mark.parametrize("query", [{}, {"values": "1"}])
def test_values_are_masked_without_the_permission(query: dict[str, str], visitor: New) -> None:
    id_ = stored("tests.book", {"note": "secret"}, dead_at=ago(9), error=ERROR)
    html = visitor(VIEW).get(PAGE, id_, **query).content.decode()
    assert "secret" not in html
    assert "eve@example.org" not in html
    assert "line 7, in book" in html
    assert "LookupError: …" in html
    assert "do not have the permission" in html


def test_values_are_shown_to_those_who_may_see_them_and_ask(visitor: New, kept: Kept) -> None:
    kept.connect(name="tests.book")
    order = Order.objects.create()
    kept.send(note="secret", order=order)
    (row,) = OutboxMessage.objects.all()
    OutboxMessage.objects.update(error=ERROR)
    eve = visitor(VIEW, VALUES)
    unasked = eve.get(PAGE, str(row.id)).content.decode()
    assert "secret" not in unasked
    assert "eve@example.org" in unasked
    asked = text_of(eve.get(PAGE, str(row.id), values="1"))
    assert f"order &lt;tests_app.Order {order.pk}&gt;" in asked
    assert "note &#x27;secret&#x27;" in asked
    assert "The message as it is stored {" in asked


def test_values_that_cannot_be_read_are_no_error(visitor: New) -> None:
    eve = visitor()
    unknown = stored("tests.nobody_knows", {"note": "secret"})
    broken = stored("tests.book", payload="{broken")
    assert "UnknownReceiver" in text_of(eve.get(PAGE, unknown, values="1"))
    text = text_of(eve.get(PAGE, broken, values="1"))
    assert "cannot read the message" in text
    assert "{broken" in text


def test_values_are_cut_and_rows_are_shown_by_their_keys() -> None:
    shown = Shown()
    assert len(shown.repr("x" * 10_000)) < 2100
    assert shown.repr([Order(pk=7), {"a": Order(pk=8)}]) == (
        "[<tests_app.Order 7>, {'a': <tests_app.Order 8>}]"
    )


@pytest.mark.parametrize("id_", [NOWHERE, "7", "%00"])
def test_page_of_an_unknown_id_leads_back_to_the_list(id_: str, visitor: New) -> None:
    eve = visitor(VIEW)
    path = f"{admin_url(LIST)}{id_}/change/"
    response = eve.client.get(path, follow=True)
    assert response.redirect_chain == [(admin_url(LIST), 302)]
    assert "is not in the outbox" in text_of(response)


def test_history_of_a_message_has_what_users_did(visitor: New) -> None:
    id_ = stored("tests.book", dead_at=ago(9))
    eve = visitor(VIEW, "replay_outboxmessage")
    eve.act("replay", id_)
    assert "eve Replayed." in text_of(eve.get(HISTORY, id_))
    entry = LogEntry.objects.get()
    assert entry.get_admin_url() == admin_url(PAGE, id_)


def test_admin_without_the_map_has_no_link_to_it(visitor: New) -> None:
    assert "Map of receivers" not in text_of(visitor(VIEW).get(LIST))
    both = visitor(VIEW, "view_receiver", name="ann")
    assert "Map of receivers" in text_of(both.get(LIST))


def test_pages_are_kept_by_no_cache(visitor: New) -> None:
    eve = visitor(VIEW)
    assert "no-store" in eve.get(LIST)["Cache-Control"]
    assert "no-store" in eve.get(PAGE, stored("tests.book"))["Cache-Control"]


def test_pages_work_in_atomic_requests(visitor: New, settings: Settings) -> None:
    id_ = stored("tests.book", dead_at=ago(9))
    eve = visitor()
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert eve.get(LIST).status_code == 200
        assert eve.get(PAGE, id_, values="1").status_code == 200
        assert "1 message was replayed" in text_of(eve.act("replay", id_))
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
