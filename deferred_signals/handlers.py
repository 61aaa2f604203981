"""Let handlers of lifecycle signals look into the message that they are given, and send it again."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation

from deferred_signals import conf, serialization
from deferred_signals.errors import DecodeError, DepthExceeded
from deferred_signals.message import Message
from deferred_signals.message.context import restored
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.message.wire import pack
from deferred_signals.receivers import registry
from deferred_signals.receivers.catalogue import entry_of
from deferred_signals.receivers.options import is_durable
from deferred_signals.running.resolving import resolve
from deferred_signals.sending.commit import defer, is_in_coroutine, way_of
from deferred_signals.sending.dispatch import Deferred
from deferred_signals.sending.encode import publish_options
from deferred_signals.support.asking import Raised
from deferred_signals.support.telling import is_telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.serialization import Reference

__all__ = ["decoded", "send_again"]


def decoded(message: Message) -> dict[str, Any]:
    """Return the kwargs of a message as its receiver would get them now.

    So ``receiver(**decoded(message))`` is the receiver's call: ``sender`` and ``signal`` are among
    the kwargs. Rows that travel by reference are fetched, by one query each. Context carriers are in
    force meanwhile.

    Arguments:
        message: the message that a lifecycle signal brought.

    Raises:
        UnknownReceiver: this process knows no receiver of that name.
        ObjectDoesNotExist: a row is gone; the error is the ``DoesNotExist`` of the row's model.
        DecodeError: this process cannot read a value.
    """
    receiver = _receiver_of(message, "decoded")
    with restored(message.context):
        return resolve(receiver, message, _fetch)


def send_again(message: Message) -> Deferred:
    """Send a message anew, under its id and with the same kwargs, as if it were sent now.

    The message's attempts begin at 1 again, and so does the policy's ``timeout``. The message is
    published with the options that its receiver has now. Where the transaction of its database is
    open, it waits for the commit. In eager mode, and in the modes of `deferred_signals.testing`, it
    goes where these send messages. Of a durable receiver it becomes a row: its dead letter makes room, and
    a relay finds it; it runs out of order. Where it has a row that is not dead, that one stays as it is.

    Do not send every message that failed again at once: one that fails for good would go round for
    ever. In eager mode such a message is sent from within its own failure, and `DepthExceeded` ends
    that at last.

    Arguments:
        message: the message that a lifecycle signal brought.

    Raises:
        UnknownReceiver: this process knows no receiver of that name.
        SynchronousOnlyOperation: the caller is a coroutine.
        Exception: what `decoded` raises, where an option, like ``queue``, is a callable: it is
            called with the decoded kwargs.

    >>> send_again(Message(
    ...     id="5f1c", receiver="shop.receivers.thnak", signal="shop.signals.order_placed",
    ...     sender=None, kwargs={"order_id": 7}, using="default", sent_at=datetime.now(UTC),
    ... ))
    Traceback (most recent call last):
        ...
    deferred_signals.errors.UnknownReceiver: No deferred receiver is called 'shop.receivers.thnak' in this process. ...
    """
    receiver = _receiver_of(message, "send_again")
    if is_in_coroutine():
        raise SynchronousOnlyOperation(
            "send_again() was called in a coroutine: use `await sync_to_async(send_again)(message)`."
        )
    again = replace(
        message,
        receiver=receiver.name,  # the message may name it by an alias
        sent_at=datetime.now(UTC),
        attempt=1,
        redeliveries=0,
    )
    immediate = _is_immediate(receiver, again)
    outgoing = Outgoing(
        again,
        pack(again),
        _options(receiver, again),
        quiet=is_telling(),
        durable=not immediate and is_durable(receiver.options),
        again=True,
    )
    with _nested(again):
        defer(outgoing, way_of(outgoing), immediate=immediate)
    return Deferred(again.id, again.receiver)


def _receiver_of(message: Message, asked: str) -> Receiver:
    """Find the receiver of a message.

    Arguments:
        message: what the caller gave, which may be no message.
        asked: the function that was called, for the error.
    """
    given: object = message
    if not isinstance(given, Message):
        raise TypeError(
            f"{asked}() takes the message that a lifecycle signal brought, got "
            f"{type(given).__name__}: receiver_failed brings None for a payload that is no message."
        )
    return registry.get(message.receiver)


def _fetch(reference: Reference) -> Model:
    """Fetch a row, or raise the ``DoesNotExist`` of its model."""
    try:
        return serialization.fetch(reference)
    except serialization.MissingRow as missing:
        gone: type[Exception] = reference.model.DoesNotExist  # type: ignore[attr-defined]  # of each model
        raise gone(str(missing)) from None


def _options(receiver: Receiver, message: Message) -> dict[str, Any]:
    """Find out what ``apply_async`` is told, as at a send."""
    kwargs: dict[str, Any] = {"sender": None}
    if receiver.options.publish_callables:
        kwargs = decoded(message)
        del kwargs["signal"]
    try:
        return publish_options(receiver.options, kwargs.pop("sender"), kwargs, conf.current())
    except Raised as raised:
        theirs = raised.error
    raise theirs


def _is_immediate(receiver: Receiver, message: Message) -> bool:
    """Return whether the message's signal waits for no commit."""
    with suppress(DecodeError):
        return entry_of(registry.find_signal(receiver, message.signal)).immediate
    return False


#: How many calls of `send_again` the current code is inside of.
_depth: ContextVar[int] = ContextVar("deferred_signals_sent_again", default=0)


@contextmanager
def _nested(message: Message) -> Iterator[None]:
    """Count the calls of `send_again` inside one another, and refuse more than ``MAX_DEPTH``.

    Raises:
        DepthExceeded: there are as many already.
    """
    depth = _depth.get()
    if depth >= conf.current().MAX_DEPTH:
        raise DepthExceeded(
            f"{message.describe()} was sent again from within {depth} such sends, as many as "
            f"MAX_DEPTH allows. Does a handler send again whatever fails? Let it count how often."
        )
    token = _depth.set(depth + 1)
    try:
        yield
    finally:
        _depth.reset(token)
