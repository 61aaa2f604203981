"""Kill the site right after a COMMIT, or the worker in the middle of a run: whatever an order asks for.

The shop knows nothing of this.
"""

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from demo_site.live.requests import Request, ask
from demo_site.shop.models import Order
from demo_site.shop.timeline import ORDER_HEADER, note

#: What a form asks to be killed by the order that it places.
FIELD, SITE, WORKER = "kill", "site", "worker"
#: What a process that was killed by SIGKILL tells a shell.
KILLED = 137

_is_doomed = ContextVar("is_doomed", default=False)


class KillSwitch:
    """See what a form asks to be killed. A middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        what = request.POST.get(FIELD) if request.method == "POST" else None
        token = _is_doomed.set(what == SITE)
        try:
            response = self.get_response(request)
        finally:
            _is_doomed.reset(token)
        if what == WORKER:
            ask(Request("kill-worker", response.headers.get(ORDER_HEADER)))
        return response


@receiver(pre_save, sender=Order)
def doom(**_kwargs: Any) -> None:
    """Have this process end after the COMMIT, before anything that the order sends is published.

    Hooks run in the order in which they were registered, and this one is registered before all that
    the order's signals register.
    """
    if _is_doomed.get():
        transaction.on_commit(_end)


def _end() -> None:
    note("web process, right after the COMMIT", "kill")
    os._exit(KILLED)
