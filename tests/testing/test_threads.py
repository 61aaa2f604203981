"""The modes hold in the threads of a live server, with real commits."""

import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from deferred_signals.testing import inline, manual
from tests.app.models import Order
from tests.app.signals import order_placed
from tests.support.connected import Connected
from tests.support.recorder import Recorder

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def place(request: HttpRequest) -> HttpResponse:
    """Place an order."""
    with transaction.atomic():
        order = Order.objects.create()
        order_placed.send(None, order_id=order.pk)
    return HttpResponse("placed")


urlpatterns = [path("place/", place)]


@pytest.fixture
def recorder(defer: Connected) -> Recorder:
    """Defer a recorder of the signal that the view sends."""
    made = Recorder()
    defer(order_placed)(made)
    return made


@pytest.fixture
def post(live_server: Any) -> Callable[[], None]:
    """Ask the live server to place an order."""

    def ask() -> None:
        with urllib.request.urlopen(f"{live_server.url}/place/") as answer:  # noqa: S310 - http
            assert answer.read() == b"placed"

    return ask


def test_manual_collects_what_a_live_server_defers(
    recorder: Recorder, post: Callable[[], None]
) -> None:
    with manual() as deferred:
        post()
        post()
        ids = list(Order.objects.order_by("pk").values_list("pk", flat=True))
        calls = deferred.all_deferred(recorder)
        assert sorted(call.kwargs["order_id"] for call in calls) == ids
        assert recorder.calls == []
        deferred.run_deferred()
    assert len(recorder.calls) == 2


def test_inline_runs_in_the_thread_of_the_server(
    recorder: Recorder, post: Callable[[], None]
) -> None:
    with inline():
        post()
    assert recorder.kwargs == [{"order_id": Order.objects.get().pk}]
