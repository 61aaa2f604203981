"""The traced shop: a page that places orders, and two receivers of each."""

import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path

from deferred_signals import receiver

#: The trace and the span that are current; None where none is.
Current = Callable[[], tuple[str, str] | None]

ORDERS = 3
REQUESTS = 2

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")

order_placed = Signal()

current: Current
requests: list[Any] = []
runs: list[Any] = []
enough = threading.Event()


@receiver(order_placed, deferred=True)
def thank(sender: object, request: int, **kwargs: object) -> None:
    """Note the trace of the run."""
    note_run(request)


@receiver(order_placed, deferred=True)
def bill(sender: object, request: int, **kwargs: object) -> None:
    """Note the trace of the run."""
    note_run(request)


def note_run(request: int) -> None:
    """Note one run."""
    runs.append((request, current()))
    if len(runs) == 2 * ORDERS * REQUESTS:
        enough.set()


def place(request: HttpRequest, number: int) -> HttpResponse:
    """Place orders in one transaction."""
    before = current()
    with transaction.atomic():
        for order in range(ORDERS):
            order_placed.send(None, request=number, order=order)
    requests.append((number, before, current()))
    return HttpResponse("placed")


urlpatterns = [path("<int:number>/", place)]


def serve(tell_current: Current) -> dict[str, Any]:
    """Answer requests, wait for the worker, and return what was noted, and in which trace."""
    global current  # noqa: PLW0603 - one tracer a process
    current = tell_current
    wsgi: Any = get_wsgi_application()
    between = []
    for number in range(REQUESTS):
        wsgi(RequestFactory().get(f"/{number}/").environ, lambda *_: None).close()
        between.append(current())
    enough.wait(60)
    return {"requests": requests, "between": between, "runs": runs}
