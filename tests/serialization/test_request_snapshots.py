"""A `RequestSnapshot` answers for what travelled, and refuses all other reads and writes."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.dispatch import Signal
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from deferred_signals import RequestSnapshot
from deferred_signals.serialization.captured import refusals
from tests.support.connected import Connected
from tests.support.recorder import Recorder, listen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager")]


@pytest.fixture
def request_with_headers(rf: RequestFactory) -> HttpRequest:
    request = rf.get(
        "/orders/",
        headers={"x-forwarded-for": "203.0.113.7", "authorization": "hush", "user-agent": "me"},
    )
    request.session = SessionStore()
    request.session["cart"] = 7
    request.session["secret"] = "hush"
    return request


@pytest.fixture
def arrived(signal: Signal, got: Recorder, request_with_headers: HttpRequest) -> RequestSnapshot:
    signal.send(None, request=request_with_headers)
    snapshot: RequestSnapshot = got["request"]
    return snapshot


READS: dict[str, tuple[Callable[[Any], object], str]] = {
    "META[]": (lambda request: request.META["HTTP_X_FORWARDED_FOR"], "REQUEST_HEADERS"),
    "META.get": (lambda request: request.META.get("HTTP_X_FORWARDED_FOR"), "REQUEST_HEADERS"),
    "in META": (lambda request: "HTTP_X_FORWARDED_FOR" in request.META, "REQUEST_HEADERS"),
    "META.get with a default": (lambda request: request.META.get("HTTP_X", 1), "REQUEST_HEADERS"),
    "headers[]": (lambda request: request.headers["X-Forwarded-For"], "REQUEST_HEADERS"),
    "headers.get": (lambda request: request.headers.get("x-forwarded-for"), "REQUEST_HEADERS"),
    "in headers": (lambda request: "Authorization" in request.headers, "REQUEST_HEADERS"),
    "session[]": (lambda request: request.session["secret"], "REQUEST_SESSION_KEYS"),
    "session.get": (lambda request: request.session.get("secret"), "REQUEST_SESSION_KEYS"),
    "in session": (lambda request: "secret" in request.session, "REQUEST_SESSION_KEYS"),
    "session.session_key": (lambda request: request.session.session_key, "REQUEST_SESSION_KEYS"),
    "session.pop": (lambda request: request.session.pop("cart"), "REQUEST_SESSION_KEYS"),
    "COOKIES": (lambda request: request.COOKIES, "capture="),
    "GET": (lambda request: request.GET.get("a"), "capture="),
    "body": (lambda request: request.body, "capture="),
    "getattr": (lambda request: request.tenant, "capture="),
}


@pytest.mark.parametrize("form", READS)
def test_read_of_what_did_not_travel_is_refused_with_the_remedy(
    form: str, arrived: RequestSnapshot
) -> None:
    read, remedy = READS[form]
    with pytest.raises((AttributeError, KeyError), match="did not travel") as caught:
        read(arrived)
    assert remedy in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "203.0.113.7" not in str(caught.value)


def set_meta(request: Any) -> None:
    request.META["HTTP_X"] = "1"


def set_session(request: Any) -> None:
    request.session["seen"] = True


def delete_session(request: Any) -> None:
    del request.session["cart"]


def set_attribute(request: Any) -> None:
    request.tenant = 1


def set_known_attribute(request: Any) -> None:
    request.user = None


def set_modified(request: Any) -> None:
    request.session.modified = True


@pytest.mark.parametrize(
    "write",
    [set_meta, set_session, delete_session, set_attribute, set_known_attribute, set_modified],
    ids=lambda write: write.__name__,
)
def test_write_is_refused_since_it_would_be_lost(
    write: Callable[[Any], None], arrived: RequestSnapshot
) -> None:
    with pytest.raises((TypeError, AttributeError), match="would be lost"):
        write(arrived)


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "x-forwarded-for", "HTTP_X_FORWARDED_FOR", "x_forwarded_for"]
)
def test_headers_travel_that_the_setting_names(
    name: str,
    signal: Signal,
    defer: Connected,
    settings: Settings,
    request_with_headers: HttpRequest,
) -> None:
    settings.DEFERRED_SIGNALS = {
        "EAGER": True,
        "REQUEST_HEADERS": (name, "X-Real-Ip", "Content-Type"),
    }
    recorder = listen(defer, signal)
    signal.send(None, request=request_with_headers)
    request = recorder["request"]
    assert request.META["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"
    assert request.META.get("HTTP_X_FORWARDED_FOR") == "203.0.113.7"
    assert request.headers["x-forwarded-for"] == "203.0.113.7"
    assert request.META.get("HTTP_X_REAL_IP") is None
    assert request.headers.get("X-Real-Ip", "none") == "none"
    assert "X-Real-IP" not in request.headers
    assert request.META.get("CONTENT_TYPE", "none") == "none"
    with pytest.raises(KeyError):
        _ = request.META["HTTP_X_REAL_IP"]
    with pytest.raises(AttributeError, match="did not travel"):
        request.headers.get("Authorization")


def test_session_keys_that_the_setting_names_are_answered_for(
    signal: Signal, defer: Connected, settings: Settings, request_with_headers: HttpRequest
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "REQUEST_SESSION_KEYS": ("cart", "coupon")}
    recorder = listen(defer, signal)
    signal.send(None, request=request_with_headers)
    session = recorder["request"].session
    assert session["cart"] == session.get("cart") == 7
    assert session.get("coupon") is None
    assert "coupon" not in session
    assert dict(session) == {"cart": 7}


def test_session_that_cannot_be_loaded_does_not_break_the_sender(
    signal: Signal, got: Recorder, settings: Settings, rf: RequestFactory
) -> None:
    class Broken(SessionStore):
        def load(self) -> Any:
            raise OSError("the cache is away")

    settings.DEFERRED_SIGNALS = {"EAGER": True, "REQUEST_SESSION_KEYS": ("cart",)}
    request = rf.get("/")
    request.session = Broken("x" * 32)
    signal.send(None, request=request)
    assert dict(got["request"].session) == {}


def test_request_can_be_copied_pickled_and_sent_on(
    arrived: RequestSnapshot, signal: Signal, got: Recorder
) -> None:
    for again in (copy.copy(arrived), copy.deepcopy(arrived), pickle.loads(pickle.dumps(arrived))):  # noqa: S301 - it was pickled here
        assert again == arrived
        assert again.META["REMOTE_ADDR"] == "127.0.0.1"
    got.clear()
    signal.send(None, request=arrived)
    assert got["request"] == arrived


def test_values_of_a_request_are_in_no_repr(arrived: RequestSnapshot) -> None:
    assert "203.0.113.7" not in repr(arrived.META)
    assert "127.0.0.1" not in repr(arrived.META)
    assert "REMOTE_ADDR" in repr(arrived.META)


def test_what_was_asked_in_vain_can_be_told(arrived: RequestSnapshot) -> None:
    gathered: list[str] = []
    token = refusals.set(gathered)
    try:
        assert getattr(arrived, "tenant", None) is None
    finally:
        refusals.reset(token)
    (told,) = gathered
    assert "request.tenant did not travel" in told
