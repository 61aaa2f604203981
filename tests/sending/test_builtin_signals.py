"""The built-in signals that are no deletes, logins or m2m: what reaches a deferred receiver of each."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import transaction
from django.db.models.signals import post_migrate, post_save
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory
from django.test.client import ClientHandler
from django.urls import path
from django.utils.functional import SimpleLazyObject
from pytest_django import DjangoAssertNumQueries

from deferred_signals import ExceptionSummary, RequestSnapshot
from tests.app.models import GiftOrder, Label, Order, PaidOrder, Ticket
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder, listen

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("eager"),
    pytest.mark.urls(__name__),
]


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page")


def broken(request: HttpRequest) -> HttpResponse:
    order = Order.objects.create()
    raise LookupError(f"order {order.pk} ☃")


urlpatterns = [path("page/", page, name="page"), path("broken/", broken, name="broken")]


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Order, {"status": "paid"}),
        (PaidOrder, {"status": "paid"}),
        (GiftOrder, {"wish": "socks"}),
        (Ticket, {"subject": "help"}),
        (Label, {"name": "blue"}),
    ],
)
def test_post_save_tells_of_the_row(model: Any, fields: dict[str, str], defer: Connected) -> None:
    got = listen(defer, post_save, sender=model)
    row = model.objects.create(**fields)
    assert got["sender"] is model
    assert got["instance"] == row
    assert got["created"] is True
    assert got["raw"] is False
    assert got["update_fields"] is None
    assert got["using"] == "default"


def test_post_save_tells_which_fields_were_written(defer: Connected) -> None:
    order = Order.objects.create()
    got = listen(defer, post_save, sender=Order)
    order.save(update_fields=["status", "total"])
    assert got["update_fields"] == frozenset({"status", "total"})
    assert type(got["update_fields"]) is frozenset
    assert got["created"] is False


def test_post_save_loads_nothing_for_the_message(
    defer: Connected, django_assert_num_queries: DjangoAssertNumQueries, broker: Any, settings: Any
) -> None:
    settings.DEFERRED_SIGNALS = {}
    Order.objects.create()
    order = Order.objects.only("status").get()
    listen(defer, post_save, sender=Order)
    with django_assert_num_queries(3), transaction.atomic():  # two of them the block's
        order.save(update_fields=["status"])


@pytest.mark.parametrize(("raw", "calls"), [(False, 0), (True, 1)])
def test_fixture_is_told_of_where_asked(
    raw: bool, calls: int, defer: Connected, tmp_path: Path
) -> None:
    got = listen(defer, post_save, sender=Label, raw=raw)
    fixture = tmp_path / "labels.json"
    fixture.write_text(json.dumps([{"model": "tests_app.label", "pk": "blue", "fields": {}}]))
    call_command("loaddata", fixture, verbosity=0)
    assert Label.objects.exists()
    assert len(got.calls) == calls
    assert all(call["raw"] and call["instance"].pk == "blue" for call in got.calls)


def test_post_migrate_tells_the_app_and_the_plan_by_names(defer: Connected) -> None:
    got = listen(defer, post_migrate, opt_in=True, sender=apps.get_app_config("tests_app"))
    migration = type(
        "Migration", (), {"app_label": "tests_app", "name": "0001_initial", "operations": []}
    )
    emit_post_migrate_signal(
        verbosity=0, interactive=False, db="default", stdout=print, apps=apps,
        plan=[(migration, False)],
    )  # fmt: skip
    assert got["sender"] is got["app_config"] is apps.get_app_config("tests_app")
    assert got["plan"] == [("tests_app", "0001_initial", False)]
    assert (got["verbosity"], got["interactive"], got["using"]) == (0, False, "default")
    assert not {"stdout", "apps"} & got.calls[0].keys()


def test_post_migrate_of_a_flush_has_no_plan(defer: Connected) -> None:
    got = listen(defer, post_migrate, opt_in=True, sender=apps.get_app_config("tests_app"))
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    assert "plan" not in got.calls[0]


def test_request_started_tells_plain_values_and_no_secret(
    defer: Connected, rf: RequestFactory
) -> None:
    got = listen(defer, request_started, opt_in=True)
    environ = rf.post(
        "/page/?token=hush", {"password": "hush"}, headers={"cookie": "a=hush", "user-agent": "me"}
    ).environ
    request_started.send(sender=WSGIHandler, environ=environ)
    assert got["sender"] is WSGIHandler
    assert got["environ"] == {
        "HTTP_USER_AGENT": "me",
        "PATH_INFO": "/page/",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "POST",
        "wsgi.url_scheme": "http",
    }
    assert "hush" not in repr(got.calls)


def test_request_started_of_an_asgi_server_tells_its_scope(
    defer: Connected, async_rf: AsyncRequestFactory
) -> None:
    got = listen(defer, request_started, opt_in=True)
    scope = async_rf.get("/page/", headers={"cookie": "a=hush"}).scope
    request_started.send(sender=WSGIHandler, scope={**scope, "app": object()})
    assert got["scope"]["path"] == "/page/"
    assert got["scope"]["method"] == "GET"
    assert "hush" not in repr(got.calls)


def test_requests_of_the_test_client_are_told_of(defer: Connected, client: Client) -> None:
    got = listen(defer, [request_started, request_finished], opt_in=True)
    client.get("/page/")
    assert [call["signal"] for call in got.calls] == [request_started, request_finished]
    assert got.calls[0]["sender"] is ClientHandler


def test_exception_of_a_request_is_told_with_its_traceback(
    defer: Connected, client: Client
) -> None:
    got = listen(defer, got_request_exception, opt_in=True)
    client.raise_request_exception = False
    assert client.get("/broken/?q=1", headers={"user-agent": "me"}).status_code == 500
    assert got["sender"] is None
    request, exception = got["request"], got["exception"]
    assert isinstance(request, RequestSnapshot)
    assert (request.path, request.view_name, request.user_agent) == ("/broken/", "broken", "me")
    assert isinstance(exception, ExceptionSummary)
    assert exception.type == "LookupError"
    assert exception.message.endswith("☃")
    assert "in broken" in exception.traceback


def test_exception_of_a_request_is_told_though_its_transaction_rolls_back(
    defer: Connected,
) -> None:
    got = listen(defer, got_request_exception, opt_in=True)
    with transaction.atomic():
        try:
            raise LookupError
        except LookupError:
            got_request_exception.send(sender=None, request=RequestFactory().get("/page/"))
        transaction.set_rollback(True)
    assert got["exception"].type == "LookupError"


def test_request_whose_user_cannot_be_loaded_does_not_hide_the_exception(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    def load() -> Any:
        raise ConnectionError("the database is away")

    got = listen(defer, got_request_exception, opt_in=True)
    request = RequestFactory().get("/page/")
    request.user = SimpleLazyObject(load)  # type: ignore[assignment]  # as the middleware sets it
    try:
        raise LookupError("the true cause")
    except LookupError:
        got_request_exception.send(sender=None, request=request)
    assert got["exception"].message == "the true cause"
    assert got["request"].path == "/page/"


def test_exception_outside_of_any_is_none(defer: Connected) -> None:
    got: Recorder = listen(defer, got_request_exception, opt_in=True)
    got_request_exception.send(sender=None, request=RequestFactory().get("/page/"))
    assert got["exception"] is None
