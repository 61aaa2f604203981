"""The page, its part that changes, and its buttons that are not the shop's."""

import hashlib
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from deferred_signals.outbox import Selection, replay, show
from deferred_signals.outbox.models import OutboxMessage
from demo_site.live import code
from demo_site.live.lifecycle import order_of
from demo_site.live.requests import Request, ask, told
from demo_site.live.scenes import scenes
from demo_site.shop import mail
from demo_site.shop.forms import OrderForm
from demo_site.shop.models import Order
from demo_site.shop.timeline import moments, note

#: So many bytes of the timeline are more than the page shows.
LAST = 64 * 1024
#: So many orders, and dead letters, fit on the page.
MOST = 6


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show all of it on one page."""
    return render(request, "live/home.html", {**_board(), "form": OrderForm()})


@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """Show the part that changes by itself, unless the page has it already: it asks each second."""
    context = _board()
    if request.GET.get("seen") == context["version"]:
        return HttpResponse(status=204)
    return render(request, "live/board.html", {**context, "form": OrderForm()})


@require_POST
def gateway(request: HttpRequest) -> HttpResponse:
    """Break the mail gateway, or mend it."""
    if mail.state() == "fine":
        mail.change("broken")
        note("mail gateway", "break")
        messages.info(request, "The mail gateway is broken. Now place an order.")
    else:
        mail.change("fine")
        note("mail gateway", "mend")
        messages.info(request, "The mail gateway works again. Now replay the dead letters.")
    return redirect("home")


@require_POST
def broker(request: HttpRequest) -> HttpResponse:
    """Have the broker paused, or resumed."""
    is_paused = any(one.name == "broker" and one.state == "paused" for one in told())
    ask(Request("resume-broker" if is_paused else "pause-broker"))
    if not is_paused:
        messages.info(request, "The broker is paused, for 20 seconds at most. Now place an order.")
    return redirect("home")


@require_POST
def replay_letter(request: HttpRequest, message_id: UUID) -> HttpResponse:
    """Let a dead letter run again."""
    found = show(message_id)
    if replay(Selection(ids=[message_id])) and found is not None:
        order = order_of(found.row.payload)
        note("dead letter, with all its attempts", "replay", order=order)
    else:
        messages.info(request, "That dead letter is not there any more.")
    return redirect("home")


def _board() -> dict[str, Any]:
    """Return the context of the part that changes, and a text that changes with it."""
    orders = list(Order.objects.prefetch_related("history"))[: 4 * MOST]
    context: dict[str, Any] = {
        "scenes": scenes(moments(last=LAST), {str(order.pk): str(order) for order in orders}),
        "orders": [
            (order, [str(change) for change in order.history.all()]) for order in orders[:MOST]
        ],
        "letters": _letters(),
        "processes": told(),
        "broker": next((one.state for one in told() if one.name == "broker"), None),
        "gateway": mail.state(),
    }
    seen = repr([context, [(order.confirmed_at, order.tracking_code) for order in orders[:MOST]]])
    return {
        **context,
        "version": hashlib.sha256(seen.encode()).hexdigest()[:16],
        "sender": code.sender(),
        "receivers": code.receivers(),
    }


def _letters() -> list[dict[str, Any]]:
    """Return the newest dead letters."""
    rows = OutboxMessage.objects.filter(dead_at__isnull=False).order_by("-dead_at")[:MOST]
    return [
        {
            "id": str(row.pk),
            "receiver": row.receiver.rpartition(".")[2],
            "attempt": row.attempt,
            "error": row.error.strip().rpartition("\n")[2],
            "order": order_of(row.payload),
        }
        for row in rows
    ]
