"""The signals of the pages' examples."""

from django.dispatch import Signal

#: Sent with ``order_id`` and ``total``.
order_placed = Signal()

#: Sent with ``order_id``.
order_refunded = Signal()
