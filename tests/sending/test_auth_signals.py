"""Logins, logouts and failed logins: who, by which request, and none of their secrets."""

from typing import Any

import pytest
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import DisallowedHost
from django.db import transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject

from deferred_signals import RequestSnapshot
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.recorder import listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="hush")


@pytest.fixture
def request_of_ada(rf: RequestFactory) -> HttpRequest:
    request = rf.post(
        "/login/",
        {"password": "hush"},
        headers={"user-agent": "me", "cookie": "sessionid=hush", "authorization": "hush"},
        query_params={"next": "/hush/"},
    )
    request.session = SessionStore()
    request.user = AnonymousUser()
    return request


def test_login_tells_the_user_and_the_request(
    defer: Connected, ada: User, request_of_ada: HttpRequest
) -> None:
    got = listen(defer, user_logged_in)
    login(request_of_ada, ada, "django.contrib.auth.backends.ModelBackend")
    assert got["sender"] is User
    assert got["user"] == ada
    request = got["request"]
    assert isinstance(request, RequestSnapshot)
    assert (request.method, request.path, request.scheme) == ("POST", "/login/", "http")
    assert (request.host, request.remote_addr, request.user_agent) == (
        "testserver", "127.0.0.1", "me",
    )  # fmt: skip
    assert "hush" not in repr(request)


def test_login_travels_without_cookies_body_or_query(
    defer: Connected, ada: User, request_of_ada: HttpRequest, settings: Any, broker: Broker
) -> None:
    settings.DEFERRED_SIGNALS = {}
    listen(defer, user_logged_in)
    user_logged_in.send(User, request=request_of_ada, user=ada)
    with transaction.atomic():
        user_login_failed.send("django.contrib.auth", credentials={}, request=request_of_ada)
    assert "hush" not in repr(broker.take())


def test_login_by_the_test_client_is_told_of(defer: Connected, ada: User, client: Client) -> None:
    got = listen(defer, user_logged_in)
    client.force_login(ada)
    assert got["user"] == ada
    assert got["request"].host is None
    with pytest.raises(DisallowedHost):
        got["request"].get_host()


def test_lazy_user_is_told_of_as_the_user(
    defer: Connected, ada: User, request_of_ada: HttpRequest
) -> None:
    got = listen(defer, user_logged_in)
    request_of_ada.user = SimpleLazyObject(lambda: ada)  # type: ignore[assignment]  # as middleware
    user_logged_in.send(User, request=request_of_ada, user=request_of_ada.user)
    assert type(got["user"]) is User
    assert got["user"] == got["request"].user == ada


def test_logout_tells_who_went(defer: Connected, ada: User, request_of_ada: HttpRequest) -> None:
    got = listen(defer, user_logged_out)
    request_of_ada.user = ada
    logout(request_of_ada)
    assert got["sender"] is User
    assert got["user"] == ada


def test_logout_of_nobody_has_no_user_and_the_sender_django_gives(
    defer: Connected, request_of_ada: HttpRequest
) -> None:
    got = listen(defer, user_logged_out)
    logout(request_of_ada)
    assert got["sender"] is type(None)
    assert got["user"] is None
    assert got["request"].user == AnonymousUser()


def test_failed_login_tells_the_credentials_without_the_secrets(
    defer: Connected, rf: RequestFactory
) -> None:
    got = listen(defer, user_login_failed)
    credentials = {
        "username": "ada",
        "password": "hush",
        "one_time_token": "hush",
        "ApiKey": "hush",
        "device": object(),
        "tries": 3,
    }
    assert authenticate(rf.post("/login/"), **credentials) is None
    assert got["sender"] == "django.contrib.auth"
    stars = "*" * 20
    assert got["credentials"] == {
        "username": "ada",
        "password": stars,
        "one_time_token": stars,
        "ApiKey": stars,
        "device": "<object>",
        "tries": 3,
    }
    assert got["request"].path == "/login/"


def test_failed_login_may_have_no_request(defer: Connected) -> None:
    got = listen(defer, user_login_failed)
    authenticate(None, username="ada", password="hush")
    assert got["request"] is None


@pytest.mark.django_db(transaction=True)
def test_failed_login_is_published_at_once_though_the_transaction_rolls_back(
    defer: Connected, settings: Any, broker: Broker
) -> None:
    settings.DEFERRED_SIGNALS = {}
    listen(defer, user_login_failed)
    with transaction.atomic():
        authenticate(None, username="ada", password="hush")
        (published,) = broker.take()
        transaction.set_rollback(True)
    assert published.kwargs["credentials"]["username"] == "ada"
    assert "hush" not in repr(published)


@pytest.mark.django_db(transaction=True)
def test_login_whose_transaction_rolls_back_is_not_told_of(
    defer: Connected, ada: User, request_of_ada: HttpRequest
) -> None:
    got = listen(defer, user_logged_in)
    with transaction.atomic():
        user_logged_in.send(User, request=request_of_ada, user=ada)
        transaction.set_rollback(True)
    assert got.calls == []


def test_session_keys_travel_where_the_settings_name_them(
    defer: Connected, ada: User, request_of_ada: HttpRequest, settings: Any
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "REQUEST_SESSION_KEYS": ("cart", "absent")}
    got = listen(defer, user_logged_in)
    request_of_ada.session["cart"] = 7
    request_of_ada.session["other"] = "hush"
    user_logged_in.send(User, request=request_of_ada, user=ada)
    assert got["request"].session == {"cart": 7}
