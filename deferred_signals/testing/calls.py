"""`Call`: a message that waits, as a test sees it, and how calls are written in errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deferred_signals.message.wire import unpack
from deferred_signals.receivers import registry
from deferred_signals.sending.ordering import key_in
from deferred_signals.serialization import Reference, decode_call

if TYPE_CHECKING:
    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["ABOUT", "Call", "Waiting", "decoded", "shown"]

#: What a test may ask of a call beside its kwargs and its sender: attributes of `Call`.
ABOUT = ("durable", "atomic", "ordered_by")

#: Characters of a value that an error shows.
LONGEST = 200


@dataclass(frozen=True)
class Call:
    """One call that waits: what a worker would be given.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        kwargs: the decoded kwargs. Rows that travel by reference are not fetched: such a value is
            equal to an instance with the same key.
        using: alias of the database whose commit was waited for.
        options: what the message is published with: queue, priority, countdown and the like.
        sender: the sender, decoded in the same way.
        durable: whether the message would be a row of the outbox.
        atomic: whether the receiver's writes and the end of that row would be one transaction.
        ordered_by: the key that the receiver's ``ordered_by=`` gave; for ``"instance"`` a reference to
            the row. None: the message waits for no other.
    """

    id: str
    receiver: str
    kwargs: dict[str, Any]
    using: str
    options: dict[str, Any]
    sender: Any = None
    durable: bool = False
    atomic: bool = False
    ordered_by: Any = None

    def __str__(self) -> str:
        return f"{self.receiver}({shown(self.kwargs)})"


@dataclass(eq=False)
class Waiting:
    """A message that waits, with what the assertions need to know of it.

    Attributes:
        outgoing: the message.
        call: what a test sees of it.
        receiver: its receiver.
        late: by how many seconds it will be late.
        seen: a test has looked at it.
    """

    outgoing: Outgoing
    call: Call
    receiver: Receiver
    late: float = field(default=0.0, kw_only=True)
    seen: bool = field(default=False, kw_only=True)


def decoded(outgoing: Outgoing) -> Waiting:
    """Decode a message as a worker does."""
    message = unpack(outgoing.payload)
    receiver = registry.get(message.receiver)
    kwargs = decode_call(receiver.codec, message.kwargs, message.sender)
    sender = kwargs.pop("sender")
    key = outgoing.order_key
    call = Call(
        message.id,
        receiver.name,
        kwargs,
        message.using,
        dict(outgoing.options),
        sender,
        durable=outgoing.durable,
        atomic=outgoing.durable and receiver.options.atomic,
        ordered_by=None if key is None else key_in(key, receiver, message.using),
    )
    return Waiting(outgoing, call, receiver)


def shown(kwargs: dict[str, Any]) -> str:
    """Write kwargs as in a call; long values are cut."""
    return ", ".join(f"{name}={_brief(value)}" for name, value in kwargs.items())


def _brief(value: object) -> str:
    if isinstance(value, Reference):
        return f"<{value.model._meta.label} {value.pk!r}>"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
