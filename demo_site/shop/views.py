"""Place an order, and ship it.

Signals are sent as usual: nothing in this file shows that most receivers are deferred.
"""

from uuid import UUID

from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from demo_site.shop import customer
from demo_site.shop.forms import OrderForm
from demo_site.shop.models import Order
from demo_site.shop.signals import order_placed, workflow_updated
from demo_site.shop.timeline import ORDER_HEADER, about, note, note_commit


class PaymentRefused(Exception):
    """The bank refused the payment."""


@require_POST
def place(request: HttpRequest) -> HttpResponse:
    """Take an order, which the customer's bank may refuse."""
    form = OrderForm(request.POST)
    if not form.is_valid():
        return render(request, "shop/invalid.html", {"form": form}, status=400)
    order = Order(
        customer=customer.find(),
        product=form.cleaned_data["product"],
        quantity=form.cleaned_data["quantity"],
    )
    order.total_amount = order.price()
    try:
        with about(order.pk):
            buy(order, refuse=form.cleaned_data["payment_fails"])
    except PaymentRefused as error:
        note("transaction rolled back: payment refused", "rollback", order=order.pk)
        context = {"order": order, "error": error}
        return naming(order, render(request, "shop/refused.html", context, status=402))
    return naming(order, redirect("home"))


def buy(order: Order, *, refuse: bool) -> None:
    """Save an order, send its signal, and charge it: all of this in one transaction."""
    with transaction.atomic():
        note_commit(order.pk)
        order.save()
        order_placed.send(Order, order_id=order.pk, total_amount=order.total_amount)
        note("order_placed sent", "send")
        charge(order, refuse=refuse)


def charge(order: Order, *, refuse: bool) -> None:
    """Ask the bank, whose answer the customer chooses in this demo."""
    if refuse:
        raise PaymentRefused(f"the bank refused {order.total_amount} EUR")


@require_POST
def ship(_request: HttpRequest, order_id: UUID) -> HttpResponse:
    """Start the workflow: from here on, deferred receivers move the order along."""
    order = get_object_or_404(Order, pk=order_id)
    with about(order.pk), transaction.atomic():
        note_commit(order.pk)
        workflow_updated.send(Order, order=order, status=order.status)
        note(f"workflow_updated sent, order is {order.status}", "send")
    return naming(order, redirect("home"))


def naming(order: Order, response: HttpResponse) -> HttpResponse:
    """Add a header to the response that names the order, for the timeline."""
    response.headers[ORDER_HEADER] = str(order.pk)
    return response


class Login(LoginView):
    """Django's view, which sends ``user_logged_in``."""

    template_name = "shop/login.html"
    extra_context = {"demo": customer}  # noqa: RUF012  # as Django documents it
