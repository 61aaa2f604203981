"""`Collected`: the messages that a test gathered, and what may be asserted of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from deferred_signals.message.wire import unpack
from deferred_signals.receivers import registry
from deferred_signals.serialization import decode_call
from deferred_signals.testing.matching import check_names, differences, instead, receivers_of, shown
from deferred_signals.testing.stale import tell_of_stale_instances
from deferred_signals.testing.story import Delivery, check_waits, raise_first, run_story

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.registry import Receiver
    from deferred_signals.testing.matching import Target
from deferred_signals.testing.story import Ran

__all__ = ["Call", "Collected", "in_force"]

#: The collections of the modes in force, the innermost last. One for the process, as the ways are.
in_force: list[Collected] = []


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
        sender: the sender, decoded in the same way.
    """

    id: str
    receiver: str
    kwargs: dict[str, Any]
    using: str
    options: dict[str, Any]
    sender: Any = None

    def __str__(self) -> str:
        return f"{self.receiver}({shown(self.kwargs)})"


@dataclass(eq=False)
class _Waiting:
    """A message that waits, with what the assertions ask of it."""

    outgoing: Outgoing
    call: Call
    receiver: Receiver
    late: float = field(default=0.0, kw_only=True)
    seen: bool = field(default=False, kw_only=True)


class Collected:
    """Messages that wait for the test; made by `deferred_signals.testing.manual`.

    Any number of threads may add to it and look at it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[_Waiting] = []
        self._wires: list[str] = []

    def take(self, batch: Sequence[Outgoing]) -> None:
        """Take the messages of a transaction that was committed, each decoded as on a worker."""
        taken = [_decoded(outgoing) for outgoing in batch]
        with self._lock:
            self._waiting += taken
            self._wires += [outgoing.payload for outgoing in batch]

    @property
    def wires(self) -> tuple[str, ...]:
        """Every message that was ever taken, as it travels."""
        return tuple(self._wires)

    def all_deferred(self, receiver: Target | None = None) -> list[Call]:
        """The calls that wait, in their order; of one receiver, or of all.

        Raises:
            InvalidReceiver: ``receiver`` is no deferred receiver.
        """
        return [waiting.call for waiting in self._look(receiver, {})]

    def assert_deferred(self, receiver: Target, /, **kwargs: Any) -> Call:
        """That a call of the receiver waits whose kwargs have at least these values; gives it.

        A value is compared with ``==``, so `unittest.mock.ANY` and the like do; of a function it is
        asked whether the value is right. ``sender=`` asks for the sender.

        Raises:
            AssertionError: none does; it shows what waits instead, the nearest first.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            TypeError: it never gets such a kwarg.
        """
        names = self._names(receiver)
        found = self._look(receiver, kwargs)
        if found:
            return found[0].call
        calls = [waiting.call for waiting in self._snapshot()]
        wanted = f"{' or '.join(sorted(names))}({shown(kwargs)})"
        raise AssertionError(f"{wanted} was not deferred. {instead(calls, names, kwargs)}")

    def refute_deferred(self, receiver: Target, /, **kwargs: Any) -> None:
        """That no call of the receiver waits whose kwargs have these values.

        Raises:
            AssertionError: one does.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            TypeError: it never gets such a kwarg.
        """
        self._names(receiver)
        found = self._look(receiver, kwargs)
        if found:
            raise AssertionError(f"{found[0].call} was deferred.")

    def run_deferred(
        self,
        receiver: Target | None = None,
        /,
        *,
        waits: Sequence[float | timedelta] | None = None,
        raises: bool = True,
    ) -> list[Ran]:
        """Run what waits, and what that defers, through all retries, without waiting.

        A clock of its own moves on from one due attempt to the next.

        Arguments:
            receiver: run the messages of this one alone, and let the others wait.
            waits: assert that these were the seconds between attempts, of all messages in order;
                each may be longer by the ``wait_jitter`` of the receiver's policy.
            raises: raise the first failure when all have run, with a note that names its receiver;
                with False, failures are in the result alone.

        Raises:
            AssertionError: the waits were others.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            Exception: with which the first message failed for good. A `FakeCrash` is none: the
                test planned it.
        """
        story = run_story(self.take, lambda: self._pop(receiver))
        tell_of_stale_instances()
        if waits is not None:
            check_waits(story, waits)
        if raises:
            raise_first(story)
        return story

    def lose(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Lose messages on the way, as a broker does that loses its data; gives them.

        Arguments:
            receiver: whose messages; None: all.
            kwargs: as in `assert_deferred`.

        Raises:
            AssertionError: no such message waits.
        """
        lost = self._some(receiver, kwargs)
        self._remove(lost)
        return [waiting.call for waiting in lost]

    def double(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Let messages arrive twice, each copy under the same id; the arguments are those of `lose`.

        Raises:
            AssertionError: no such message waits.
        """
        doubled = self._some(receiver, kwargs)
        copies = [_decoded(waiting.outgoing) for waiting in doubled]
        with self._lock:
            self._waiting += copies
        return [waiting.call for waiting in doubled]

    def postpone(
        self, seconds: float, receiver: Target | None = None, /, **kwargs: Any
    ) -> list[Call]:
        """Let messages arrive late: after all that is due in the meantime.

        Arguments:
            seconds: how late; they count for ``expires`` and for the policy's ``timeout``.
            receiver: whose messages, as in `lose`.
            kwargs: as in `assert_deferred`.

        Raises:
            AssertionError: no such message waits.
        """
        late = self._some(receiver, kwargs)
        for waiting in late:
            waiting.late += seconds
        return [waiting.call for waiting in late]

    def left(self) -> list[Call]:
        """The calls that were neither run nor asked for."""
        return [waiting.call for waiting in self._snapshot() if not waiting.seen]

    def _snapshot(self) -> list[_Waiting]:
        with self._lock:
            return list(self._waiting)

    def _names(self, receiver: Target) -> frozenset[str]:
        gathered = [waiting.receiver for waiting in self._snapshot()]
        return frozenset(item.name for item in receivers_of(receiver, gathered))

    def _look(self, receiver: Target | None, kwargs: dict[str, Any]) -> list[_Waiting]:
        """What waits of a receiver with these kwargs; from now on it counts as seen."""
        found = self._snapshot()
        if receiver is not None:
            names = self._names(receiver)
            found = [waiting for waiting in found if waiting.call.receiver in names]
            owners = receivers_of(receiver, [waiting.receiver for waiting in found])
            check_names(owners, [waiting.call for waiting in found], kwargs)
        found = [waiting for waiting in found if not differences(waiting.call, kwargs)]
        for waiting in found:
            waiting.seen = True
        return found

    def _some(self, receiver: Target | None, kwargs: dict[str, Any]) -> list[_Waiting]:
        found = self._look(receiver, kwargs)
        if not found:
            whose = "" if receiver is None else f" of {' or '.join(sorted(self._names(receiver)))}"
            raise AssertionError(f"No such message{whose} waits: there is nothing to do it to.")
        return found

    def _pop(self, receiver: Target | None) -> list[Delivery]:
        """Take what waits out of the collection: all of it, or one receiver's."""
        names = None if receiver is None else self._names(receiver)
        out = [item for item in self._snapshot() if names is None or item.call.receiver in names]
        self._remove(out)
        return [Delivery(item.outgoing, item.call.kwargs, item.late) for item in out]

    def _remove(self, out: list[_Waiting]) -> None:
        gone = set(out)
        with self._lock:
            self._waiting = [waiting for waiting in self._waiting if waiting not in gone]


def _decoded(outgoing: Outgoing) -> _Waiting:
    message = unpack(outgoing.payload)
    receiver = registry.get(message.receiver)
    kwargs = decode_call(receiver.codec, message.kwargs, message.sender)
    sender = kwargs.pop("sender")
    call = Call(message.id, receiver.name, kwargs, message.using, dict(outgoing.options), sender)
    return _Waiting(outgoing, call, receiver)
