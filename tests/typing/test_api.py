"""The public API as type checkers see it: checked by mypy (strict) and pyright, never run by pytest.

A wrong use carries `type: ignore` with the code that mypy must give. Both checkers tell of one that
is not needed, which proves that each is flagged by both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, assert_type

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal

from deferred_signals import (
    UNKNOWN,
    Deferred,
    Discard,
    ExceptionSummary,
    RequestSnapshot,
    Retry,
    RetryLater,
    changed,
    current_message,
    muted,
    receiver,
    register_type,
)
from tests.app.models import Order

order_placed = Signal()


@dataclass
class Placed:
    """The shape of a signal."""

    order_id: int


def charge(key: str) -> None:
    """Take a message's id as a key."""


def only_for_type_checkers() -> Iterator[None]:
    """Show code to type checkers; nobody calls it."""

    @receiver(order_placed)
    def ordinary(sender: object, order_id: int, **kwargs: Any) -> str:
        return str(order_id)

    assert_type(ordinary(None, order_id=7), str)
    ordinary(None, order_id="seven")  # type: ignore[arg-type]

    @receiver([order_placed, post_save], deferred=True, sender=Order, weak=False, dispatch_uid="x")
    def deferred(sender: object, order_id: int, **kwargs: Any) -> None: ...

    deferred(None, order_id=7)
    deferred(None)  # type: ignore[call-arg]
    deferred(None, order_id="seven")  # type: ignore[arg-type]

    @receiver(order_placed, deferred=True)
    async def coroutine(sender: object, **kwargs: Any) -> int:
        return 7

    async def awaits() -> int:
        return await coroutine(None)

    @receiver(
        post_save,
        deferred=True,
        sender="tests_app.Order",
        name="x",
        aliases=["y"],
        when=changed("status", to="paid"),
        raw=True,
        exclude=("a",),
        exclude_fields=["b"],
        carry=("_old", "user.id"),
        capture=lambda sender, **kwargs: {"a": 1},
        snapshot=("instance",),
        actions=("post_add",),
        opt_in=True,
        using="default",
        coalesce=True,
        schema=Placed,
        version=2,
        upgrade=lambda version, kwargs: kwargs,
        retry=Retry(on=(OSError,), max_attempts=5, wait_max=timedelta(minutes=5)),
        missing="retry",
        queue=lambda sender, **kwargs: "slow",
        priority=3,
        countdown=timedelta(seconds=5),
        expires=datetime(2030, 1, 1, tzinfo=UTC),
        time_limit=60,
        soft_time_limit=timedelta(seconds=50),
        headers={"x": 1},
        compression="gzip",
        rate_limit="10/m",
        ignore_result=False,
        acks_late=True,
        track_started=True,
        throws=(LookupError,),
        send_events=False,
        serializer="json",
    )
    def everything(sender: object, **kwargs: Any) -> None: ...

    yield everything(None)

    # Each of these is refused when the decorator runs, and by the type checker before.
    receiver(order_placed, deferred=True, retries=3)  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, max_retries=3)  # type: ignore[call-overload]
    receiver(order_placed, deferred="yes")  # type: ignore[call-overload]
    receiver("order_placed", deferred=True)  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, missing="ignore")  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, version="2")  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, retry=3)  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, when=True)  # type: ignore[call-overload]
    receiver(order_placed, deferred=True, time_limit="1 h")  # type: ignore[call-overload]
    receiver(order_placed, True)  # type: ignore[call-overload]  # noqa: FBT003

    assert_type(Retry().wait_after(1), float)
    Retry(max_attempt=3)  # type: ignore[call-arg]
    Retry(3)  # type: ignore[arg-type, call-arg]
    Retry(wait_max="1 h")  # type: ignore[arg-type]
    Retry().max_attempts = 3  # type: ignore[misc]

    # Within a receiver there is a message; code that is called from elsewhere, too, may ask.
    charge(key=current_message().id)
    assert_type(current_message().attempt, int | Any)
    message = current_message()
    if message is None:
        charge(key="by hand")
    message.attempt = 2  # type: ignore[misc]
    message.atempt  # type: ignore[union-attr]  # noqa: B018

    with muted(order_placed, deferred, "x"):
        pass
    muted(7)  # type: ignore[arg-type]

    @muted()
    def quiet(number: int) -> str:
        return str(number)

    assert_type(quiet(7), str)
    quiet("seven")  # type: ignore[arg-type]

    changed(7)  # type: ignore[arg-type]

    old: object = "new"
    if old is UNKNOWN:
        assert_type(repr(UNKNOWN), str)
    register_type(Fraction, encode=str, decode=Fraction, tag="fraction")
    register_type("Fraction")  # type: ignore[arg-type]

    raise Discard("why") from RetryLater(after=timedelta(seconds=1))


def reads(result: Deferred, request: RequestSnapshot, exception: ExceptionSummary) -> None:
    """Read the attributes of values."""
    assert_type(result.id, str)
    assert_type(result.receiver, str)
    result.id = "x"  # type: ignore[misc]
    assert_type(request.host, str | None)
    assert_type(request.get_host(), str)
    assert_type(exception.traceback, str)
    RetryLater(after="soon")  # type: ignore[arg-type]


def test_wrong_uses_are_flagged_by_checkers_alone() -> None:
    """The rest of this file is for type checkers, and a run shows that it can be imported."""
    with pytest.raises(TypeError, match="is an option of deferred receivers"):
        receiver(order_placed, name="x")  # type: ignore[call-overload]
