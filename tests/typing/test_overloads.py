"""Options that need `deferred=True`, as type checkers see them: see `test_api` for how this is checked."""

from typing import Any, assert_type

import pytest
from django.dispatch import Signal

from deferred_signals import connect, receiver
from tests.app.models import Order

order_placed = Signal()


def receive(sender: object, order_id: int, **kwargs: Any) -> str:
    return str(order_id)


def only_for_type_checkers(*, is_on: bool) -> None:
    """Show code to type checkers; nobody calls it."""
    receiver(order_placed, queue="mail")  # type: ignore[call-overload]
    receiver(order_placed, retry=None, sender=Order)  # type: ignore[call-overload]
    receiver(order_placed, deferred=False, when=None)  # type: ignore[call-overload]
    connect(order_placed, receive, deferred=False, queue="mail")  # type: ignore[call-overload]

    # Where deferred may be False, the option may be refused when the decorator runs.
    receiver(order_placed, deferred=is_on, queue="mail")  # type: ignore[call-overload]
    connect(order_placed, receive, deferred=is_on, queue="mail")  # type: ignore[call-overload]

    @receiver(order_placed, deferred=is_on, sender=Order, weak=False, dispatch_uid="x")
    def perhaps(sender: object, order_id: int, **kwargs: Any) -> str:
        return str(order_id)

    assert_type(perhaps(None, order_id=7), str)
    connected = connect(order_placed, receive, deferred=is_on, weak=False)
    assert_type(connected(None, order_id=7), str)


def test_wrong_uses_are_flagged_by_checkers_alone() -> None:
    """The rest of this file is for type checkers, and a run shows that it can be imported."""
    with pytest.raises(TypeError, match="queue= is an option of deferred receivers"):
        receiver(order_placed, queue="mail")  # type: ignore[call-overload]
