"""The receivers of the shop; ``ShopConfig.ready()`` connects them.

A receiver stays an ordinary one where the sender needs its effect at once: in the same
transaction, or on the live request. Every other one is deferred: it runs on a Celery worker once
the transaction is committed, and never if it is rolled back.
"""

# ruff: noqa: ARG001, ARG005, FBT001  # a receiver takes what its signal sends

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models.signals import post_save
from django.http import HttpRequest
from django.utils import timezone

from deferred_signals import RequestSnapshot, Retry, receiver
from demo_site.shop.models import NEXT_STATUS, Order, Status, StatusChange
from demo_site.shop.signals import order_placed, workflow_updated
from demo_site.shop.timeline import note


@receiver(post_save, sender=Order)
def keep_history(sender: type[Order], instance: Order, **kwargs: Any) -> None:
    """Write the history. Not deferred, as the history is rolled back with the order's transaction."""
    StatusChange.objects.create(order=instance, status=instance.status)
    note(f"wrote {instance.status}", order=instance.pk, by="keep_history")


@receiver(user_logged_in)
def welcome(sender: type[User], request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Greet the user. Not deferred, as the receiver writes into the live request."""
    messages.success(request, f"Welcome back, {user.get_short_name()}.")


@receiver(post_save, sender=Order, deferred=True)
def update_search_index(sender: type[Order], instance: Order, created: bool, **kwargs: Any) -> None:
    """Update the index. The simplest deferred receiver: ``instance`` is the row as it is at the run."""
    note("added to the index" if created else "refreshed the index", order=instance.pk)


@receiver(
    order_placed,
    deferred=True,
    durable=True,
    retry=Retry(on=OSError, max_attempts=3, wait_initial=0.5, wait_jitter=0.1),
)
def send_receipt(sender: type[Order], order_id: UUID, total_amount: Decimal, **kwargs: Any) -> None:
    """Mail a receipt. Durable: the message is a row of the order's own transaction.

    The gateway may fail, so the receiver is retried a little later. After its last attempt the row
    stays as a dead letter, to be replayed.
    """
    order = Order.objects.select_related("customer").get(pk=order_id)
    if order.confirmed_at:
        return  # a deferred receiver may run twice: mail only once
    EmailMessage(
        subject=f"Your order of {order}",
        body=f"Thank you. We charged {total_amount} EUR.",
        to=[order.customer.email],
        headers={"X-Order": str(order_id)},
    ).send()
    Order.objects.filter(pk=order_id).update(confirmed_at=timezone.now())
    note(f"mailed {order.customer.email}", order=order_id)


@receiver(
    workflow_updated,
    deferred=True,
    when=lambda sender, status, **kwargs: status in NEXT_STATUS,
)
def take_next_step(sender: type[Order], order: Order, status: str, **kwargs: Any) -> None:
    """Move an order on, and send the same signal again: one deferred receiver defers another."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order.pk)
        if order.status != status:
            return  # a deferred receiver may run twice: take the step only once
        order.status = NEXT_STATUS[Status(status)].value
        order.save(update_fields=["status"])
        workflow_updated.send(sender=Order, order=order, status=order.status)
    note(f"{status} → {order.status}", order=order.pk)


@receiver(
    workflow_updated,
    deferred=True,
    when=lambda sender, status, **kwargs: status == Status.PACKED,
)
async def book_courier(sender: type[Order], order: Order, **kwargs: Any) -> None:
    """Book a courier. The receiver is async, and the worker awaits it."""
    await asyncio.sleep(0.05)  # the courier's API
    order.tracking_code = f"TEA-{order.pk.hex[:6].upper()}"
    # Only this field: another receiver may have written the others since.
    await Order.objects.filter(pk=order.pk).aupdate(tracking_code=order.tracking_code)
    note(f"booked {order.tracking_code}", order=order.pk)


# A request cannot travel to another process: in its place a deferred receiver gets a snapshot.


@receiver(user_logged_in, deferred=True)
def look_for_odd_login(
    sender: type[User], request: RequestSnapshot, user: User, **kwargs: Any
) -> None:
    """Check the login. A real shop would ask a slow service whether it looks like this customer."""
    note(f"nothing odd about {user.get_username()} from {request.remote_addr}")


@receiver(user_logged_out, deferred=True)
def say_goodbye(sender: type[User], user: User | None, **kwargs: Any) -> None:
    """Say goodbye. No request waits for this receiver either."""
    note(f"{user.get_username() if user else 'nobody'} logged out")
