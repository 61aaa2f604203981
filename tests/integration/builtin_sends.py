"""Sends of every built-in signal that can be deferred, and of a third party's signal."""

import types
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from django.apps import apps
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management.sql import emit_post_migrate_signal
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from tests.app import builtin_receivers
from tests.app.models import Board, Label, Line, Order, Ticket
from tests.app.signals import order_placed


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page")


def broken(request: HttpRequest) -> HttpResponse:
    raise LookupError("broken")


urlpatterns = [path("page/", page), path("broken/", broken)]


class HereOnly:
    """A sender that the worker never loaded."""


def save() -> None:
    order = Order.objects.create(status="new")
    order.status = "paid"
    order.save(update_fields=["status"])


def delete() -> None:
    with transaction.atomic():
        Order.objects.create(status="gone").delete()


def delete_with_lines() -> None:
    order = Order.objects.create(status="gone with its lines")
    Line.objects.create(order=order)
    with transaction.atomic():
        order.delete()


def delete_ticket() -> None:
    Ticket.objects.create(subject="help").delete()


def relate() -> None:
    order, label = Order.objects.create(pk=700), Label.objects.create(name="blue")
    order.labels.add(label)
    order.labels.remove(label)
    label.orders.add(order)
    order.labels.clear()
    board = Board.objects.create(pk=7)
    board.tickets.add(Ticket.objects.create(pk=UUID(int=42)))


def migrate() -> None:
    migration = types.SimpleNamespace(app_label="tests_app", name="0001_initial", operations=[])
    emit_post_migrate_signal(
        verbosity=0, interactive=False, db="default", stdout=print, apps=apps,
        plan=[(migration, False)],
    )  # fmt: skip


def ask_for_pages() -> None:
    client = Client(raise_request_exception=False, headers={"user-agent": "me"})
    with override_settings(ROOT_URLCONF=__name__):
        client.get("/page/")
        client.get("/broken/")


def log_in_and_out() -> None:
    request = RequestFactory(headers={"user-agent": "me"}).post("/login/")
    request.session = SessionStore()
    request.user = AnonymousUser()
    logout(request)
    user = User.objects.create_user("ada", pk=70, password="hush")
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    logout(request)


def fail_to_log_in() -> None:
    with transaction.atomic():
        authenticate(None, username="eve", password="hush")
        transaction.set_rollback(True)


def place_orders() -> None:
    senders = (
        None,
        "a text",
        builtin_receivers.View,
        builtin_receivers.View(),
        builtin_receivers,
        Decimal(7),
        HereOnly(),
    )
    for number, sender in enumerate(senders):
        order_placed.send(sender, order_id=number)


#: Functions that send, and how many rows their receivers leave.
SENDS: list[tuple[Callable[[], None], int]] = [
    (save, 2),
    (delete, 2),
    (delete_with_lines, 3),
    (delete_ticket, 1),
    (relate, 6),
    (migrate, sum(app.models_module is not None for app in apps.get_app_configs())),
    (ask_for_pages, 5),
    (log_in_and_out, 3),
    (fail_to_log_in, 1),
    (place_orders, 7),
]
