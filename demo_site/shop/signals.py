"""The shop's own signals. Nothing here knows that receivers may be deferred."""

from django.dispatch import Signal

#: An order was taken. Arguments: ``order_id`` (UUID), ``total_amount`` (Decimal).
order_placed = Signal()

#: An order reached a state. Arguments: ``order`` (the saved instance), ``status`` (the state).
workflow_updated = Signal()
