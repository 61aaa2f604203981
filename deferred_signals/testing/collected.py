"""`Collected`: the messages that a test gathered, and what may be asserted of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Model

from deferred_signals import registry
from deferred_signals.naming import identity
from deferred_signals.serialization import Reference
from deferred_signals.testing.story import run_story
from deferred_signals.wire import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deferred_signals.message import Message
    from deferred_signals.sending.outgoing import Outgoing
    from deferred_signals.testing.story import Ran

__all__ = ["Call", "Collected"]


@dataclass(frozen=True)
class Call:
    """One call that waits: what a worker would be told.

    Attributes:
        id: the message's id.
        receiver: the receiver's name.
        kwargs: decoded from the message. Rows that travel by reference are not fetched: they
            are equal to an instance with the same key.
        using: alias of the database whose commit was waited for.
        options: what it is published with: queue, priority, countdown and the like.
    """

    id: str
    receiver: str
    kwargs: dict[str, Any]
    using: str
    options: dict[str, Any]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.kwargs.items())
        return f"{self.receiver}({shown})"


class Collected:
    """Messages that wait for the test; made by `deferred_signals.testing.manual`."""

    def __init__(self) -> None:
        self._waiting: list[Outgoing] = []

    def take(self, batch: Sequence[Outgoing]) -> None:
        """Take the messages of a transaction that was committed."""
        self._waiting += batch

    def all_deferred(self, receiver: Callable[..., Any] | str | None = None) -> list[Call]:
        """The calls that wait, in their order; of one receiver, or of all."""
        calls = [_call_of(outgoing) for outgoing in self._waiting]
        return [call for call in calls if receiver is None or _means(receiver, call)]

    def assert_deferred(self, receiver: Callable[..., Any] | str, **kwargs: Any) -> Call:
        """That a call of the receiver waits whose kwargs have at least these values; gives it.

        A value is compared with ``==``, so `unittest.mock.ANY` and the like do; of a function it is
        asked whether the value is right.

        Raises:
            AssertionError: none does; it shows what waits instead, the nearest first.
        """
        calls = self.all_deferred()
        for call in calls:
            if _means(receiver, call) and not _differences(call, kwargs):
                return call
        wanted = f"{_name(receiver)}({', '.join(f'{k}={v!r}' for k, v in kwargs.items())})"
        raise AssertionError(f"{wanted} was not deferred. {_instead(calls, receiver, kwargs)}")

    def refute_deferred(self, receiver: Callable[..., Any] | str, **kwargs: Any) -> None:
        """That no call of the receiver waits whose kwargs have these values.

        Raises:
            AssertionError: one does.
        """
        for call in self.all_deferred(receiver):
            if not _differences(call, kwargs):
                raise AssertionError(f"{call} was deferred.")

    def run_deferred(self, *, waits: Sequence[float] | None = None) -> list[Ran]:
        """Run what waits, and what that defers, through all retries, without waiting.

        A clock of its own moves on from one due attempt to the next. What a receiver raises is
        not raised here: it is in the result.

        Arguments:
            waits: assert that these were the seconds between attempts, of all messages in order.

        Raises:
            AssertionError: the waits were others.
        """
        story = run_story(self)
        found = [wait for ran in story for wait in ran.waits]
        if waits is not None and found != list(waits):
            raise AssertionError(f"The waits were {found}, not {list(waits)}.")
        return story

    def pop_all(self) -> list[Outgoing]:
        """Take everything that waits out of the collection."""
        waiting, self._waiting = self._waiting, []
        return waiting


def _call_of(outgoing: Outgoing) -> Call:
    message: Message = unpack(outgoing.wire)
    codec = registry.get(message.receiver).codec
    kwargs = codec.decode_values(message.kwargs)
    return Call(message.id, message.receiver, kwargs, message.using, outgoing.options)


def _means(receiver: Callable[..., Any] | str, call: Call) -> bool:
    if isinstance(receiver, str):
        return receiver == call.receiver
    found = registry.find(call.receiver)
    return found is not None and identity(found.function) == identity(receiver)


def _name(receiver: Callable[..., Any] | str) -> str:
    return receiver if isinstance(receiver, str) else getattr(receiver, "__name__", repr(receiver))


def _differences(call: Call, kwargs: dict[str, Any]) -> list[str]:
    """What of a call is not as expected, in words."""
    found = []
    for name, expected in kwargs.items():
        if name not in call.kwargs:
            found.append(f"no {name}")
        elif not _matches(call.kwargs[name], expected):
            found.append(f"{name}={call.kwargs[name]!r}")
    return found


def _matches(value: Any, expected: Any) -> bool:
    if isinstance(value, Reference) and isinstance(expected, Model):
        concrete = expected._meta.concrete_model is value.model._meta.concrete_model
        return concrete and value.pk == expected.pk
    if callable(expected) and not isinstance(expected, type) and not isinstance(value, type):
        return bool(expected(value))
    return bool(value == expected)


def _instead(calls: list[Call], receiver: Callable[..., Any] | str, kwargs: dict[str, Any]) -> str:
    if not calls:
        return "Nothing was. (Was the transaction of the code under test committed?)"
    calls = sorted(
        calls, key=lambda call: (not _means(receiver, call), len(_differences(call, kwargs)))
    )
    lines = []
    for call in calls:
        differs = ", ".join(_differences(call, kwargs)) if _means(receiver, call) else ""
        lines.append(f"  {call}" + (f"  <- {differs}" if differs else ""))
    return "These were, the nearest first:\n" + "\n".join(lines)
