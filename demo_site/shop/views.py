"""Place an order, ship it, watch what happens.

Signals are sent as usual: nothing in this file shows that most receivers are deferred.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from demo_site.shop import customer
from demo_site.shop.forms import OrderForm
from demo_site.shop.models import Order
from demo_site.shop.signals import order_placed, workflow_updated
from demo_site.shop.timeline import ORDER_HEADER, moments, note, note_commit

#: So many lines of the timeline, and half as many orders, fit on the page.
LINES = 40


class PaymentRefused(Exception):
    """The bank refused the payment."""


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the whole shop on one page."""
    return render(request, "shop/home.html", {**board_context(), "form": OrderForm()})


@require_GET
def board(request: HttpRequest) -> HttpResponse:
    """Show the part of the page that changes by itself; the page fetches it every second."""
    return render(request, "shop/board.html", board_context())


@require_POST
@login_required
def place(request: HttpRequest) -> HttpResponse:
    """Take an order, send its signal, and charge it: all of this in one transaction."""
    form = OrderForm(request.POST)
    if not form.is_valid():
        return render(request, "shop/home.html", {**board_context(), "form": form}, status=400)
    order = Order(
        customer=request.user,  # type: ignore[misc]  # login_required has seen to it
        product=form.cleaned_data["product"],
        quantity=form.cleaned_data["quantity"],
    )
    order.total_amount = order.price()
    try:
        with transaction.atomic():
            note_commit(order.pk)
            order.save()
            order_placed.send(Order, order_id=order.pk, total_amount=order.total_amount)
            note("order_placed sent", order=order.pk)
            charge(order, refuse=form.cleaned_data["payment_fails"])
    except PaymentRefused as error:
        note("transaction rolled back: payment refused", order=order.pk)
        context = {**board_context(), "order": order, "error": error}
        return about(order, render(request, "shop/refused.html", context, status=402))
    return about(order, redirect("home"))


@require_POST
@login_required
def ship(_request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Start the workflow: from here on, deferred receivers move the order along."""
    order = get_object_or_404(Order, pk=order_id)
    with transaction.atomic():
        note_commit(order.pk)
        workflow_updated.send(Order, order=order, status=order.status)
        note(f"workflow_updated sent, order is {order.status}", order=order.pk)
    return about(order, redirect("home"))


def charge(order: Order, *, refuse: bool) -> None:
    """Ask the bank, whose answer the customer chooses in this demo."""
    if refuse:
        raise PaymentRefused(f"the bank refused {order.total_amount} EUR")


def about(order: Order, response: HttpResponse) -> HttpResponse:
    """Add a header to the response that names the order, for the timeline."""
    response.headers[ORDER_HEADER] = str(order.pk)
    return response


class Login(LoginView):
    """Django's view, which sends ``user_logged_in``."""

    template_name = "shop/login.html"
    extra_context = {"demo": customer}  # noqa: RUF012  # as Django documents it


def board_context() -> dict[str, Any]:
    """Return the context of the templates of orders and timeline."""
    return {
        "orders": Order.objects.prefetch_related("history")[: LINES // 2],
        "moments": moments()[: -LINES - 1 : -1],
    }
