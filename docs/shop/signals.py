"""The signals that the pages' examples speak of."""

from django.dispatch import Signal

#: Sent with ``order_id`` and ``total``.
order_placed = Signal()
