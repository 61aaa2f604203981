"""`connect` and lists of senders as type checkers see them: see `test_api` for how this is checked."""

from collections.abc import Iterator
from typing import Any, assert_type

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import Retry, changed, connect, receiver
from tests.app.models import Label, Order

order_placed = Signal()


def receive(sender: object, order_id: int, **kwargs: Any) -> str:
    return str(order_id)


class Service:
    """Has receivers of other kinds."""

    def method(self, sender: object, **kwargs: Any) -> None: ...

    def __call__(self, sender: object, **kwargs: Any) -> None: ...


def only_for_type_checkers() -> Iterator[object]:
    """Show code to type checkers; nobody calls it."""
    connected = connect(post_save, receive, sender=[Order, Label], queue="slow", retry=None)
    assert_type(connected(None, order_id=7), str)
    connected(None, order_id="seven")  # type: ignore[arg-type]
    assert_type(connect([order_placed], Service(), deferred=False, weak=False), Service)
    yield connect((order_placed, post_save), Service().method, when=changed("status"))

    @receiver(post_save, deferred=True, sender=[Order, "tests_app.Label"])
    def of_several(sender: object, **kwargs: Any) -> None: ...

    yield of_several(None)
    yield receiver(post_save, deferred=True, sender=(Order, Label), retry=Retry(max_attempts=3))

    connect(order_placed)  # type: ignore[call-overload]
    connect(order_placed, 7)  # type: ignore[call-overload]
    connect("order_placed", receive)  # type: ignore[call-overload]
    connect(order_placed, receive, retries=3)  # type: ignore[call-overload]
    connect(order_placed, receive, defered=True)  # type: ignore[call-overload]
    connect(order_placed, receive, version="2")  # type: ignore[call-overload]
    connect(order_placed, receive, deferred=False, queue="mail")  # type: ignore[call-overload]
    receiver(order_placed, differed=True)  # type: ignore[call-overload]


def test_wrong_uses_are_flagged_by_checkers_alone() -> None:
    """The rest of this file is for type checkers, and a run shows that it can be imported."""
    with pytest.raises(TypeError, match="add deferred=True"):
        connect(order_placed, receive, deferred=False, name="x")  # type: ignore[call-overload]
