"""The names that the catalogue has for each built-in signal are those that reach a receiver."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.management.sql import emit_post_migrate_signal
from django.core.signals import got_request_exception, request_finished, request_started
from django.db.models.signals import (
    m2m_changed,
    post_delete,
    post_migrate,
    post_save,
    pre_delete,
)
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from deferred_signals import changed
from deferred_signals.receivers.catalogue import CATALOGUE, entry_of
from tests.app.models import Label, Order
from tests.support.connected import Connected
from tests.support.recorder import listen

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("eager"),
    pytest.mark.urls(__name__),
]


def broken(request: HttpRequest) -> HttpResponse:
    raise LookupError


urlpatterns = [path("broken/", broken)]


def save() -> None:
    Order.objects.create()


def delete() -> None:
    Order.objects.create().delete()


def label() -> None:
    Order.objects.create().labels.add(Label.objects.create(name="blue"))


def request() -> None:
    Client(raise_request_exception=False).get("/broken/")


def log_in_and_out() -> None:
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    client.logout()


def fail_to_log_in() -> None:
    authenticate(username="ada", password="wrong")


def migrate() -> None:
    emit_post_migrate_signal(
        verbosity=0, interactive=False, db="default", stdout=print, apps=apps, plan=[]
    )


@pytest.mark.parametrize(
    ("signal", "happens", "options", "never_here"),
    [
        (post_save, save, {"sender": Order}, set()),
        (pre_delete, delete, {"sender": Order}, set()),
        (post_delete, delete, {"sender": Order}, set()),
        (m2m_changed, label, {"sender": Order.labels.through}, set()),
        (request_started, request, {}, {"scope"}),
        (request_finished, request, {}, set()),
        (got_request_exception, request, {}, set()),
        (user_logged_in, log_in_and_out, {}, set()),
        (user_logged_out, log_in_and_out, {}, set()),
        (user_login_failed, fail_to_log_in, {}, set()),
        (post_migrate, migrate, {"sender": apps.get_app_config("tests_app")}, set()),
    ],
)
def test_names_in_the_catalogue_are_those_that_reach_a_receiver(
    signal: Signal,
    happens: Callable[[], None],
    options: dict[str, Any],
    never_here: set[str],
    defer: Connected,
) -> None:
    got = listen(defer, signal, opt_in=True, **options)
    happens()
    entry = entry_of(signal)
    assert got.calls
    for call in got.calls:
        assert call.keys() - {"sender", "signal"} == (entry.kwargs or set()) - never_here


def test_changes_reach_a_receiver_that_asks_for_them(defer: Connected) -> None:
    got = listen(defer, post_save, sender=Order, when=changed("status"))
    save()
    assert got.calls[0].keys() - entry_of(post_save).kwargs == {"changes", "sender", "signal"}  # type: ignore[operator]  # they are known


def test_kwargs_are_known_of_every_signal_that_can_be_deferred() -> None:
    known = {entry.path for entry in CATALOGUE if entry.kwargs is not None}
    assert known == {entry.path for entry in CATALOGUE if entry.verdict != "refused"}
