"""Signals of the app under test."""

from django.dispatch import Signal

order_placed = Signal()
"""Sent with `order_id` and `total`."""
