"""`Collected`: the messages that a test collected, and the assertions about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from deferred_signals.message.wire import unpack
from deferred_signals.receivers import registry
from deferred_signals.serialization import decode_call
from deferred_signals.testing.calls import Call, shown
from deferred_signals.testing.matching import check_names, differences, instead, receivers_of
from deferred_signals.testing.stale import tell_of_stale_instances
from deferred_signals.testing.story import Delivery, Ran, check_waits, raise_first, run_story

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.testing.matching import Target

__all__ = ["Call", "Collected", "in_force"]

#: The collections of the `manual` modes in force, the innermost last. All threads share this list.
in_force: list[Collected] = []


@dataclass(eq=False)
class _Waiting:
    """A message that waits, with what the assertions need to know of it."""

    outgoing: Outgoing
    call: Call
    receiver: Receiver
    late: float = field(default=0.0, kw_only=True)
    seen: bool = field(default=False, kw_only=True)


class Collected:
    """Messages that wait for the test to run them; `deferred_signals.testing.manual` makes one.

    Any number of threads may add messages and look at them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[_Waiting] = []
        self._wires: list[str] = []

    def take(self, batch: Sequence[Outgoing]) -> None:
        """Take the messages of a committed transaction, and decode each as a worker does."""
        taken = [_decoded(outgoing) for outgoing in batch]
        with self._lock:
            self._waiting += taken
            self._wires += [outgoing.payload for outgoing in batch]

    @property
    def wires(self) -> tuple[str, ...]:
        """Return the payload of each message that was ever taken."""
        return tuple(self._wires)

    def all_deferred(self, receiver: Target | None = None) -> list[Call]:
        """Return the calls that wait, the oldest first; of one receiver, or of all.

        Raises:
            InvalidReceiver: ``receiver`` is no deferred receiver.
        """
        return [waiting.call for waiting in self._look(receiver, {})]

    def assert_deferred(self, receiver: Target, /, **kwargs: Any) -> Call:
        """Assert that a call of the receiver waits whose kwargs have these values; return the call.

        The call may have other kwargs too. Values are compared with ``==``, so `unittest.mock.ANY`
        matches everything. A function in a value's place is called with the value, and says
        whether the value is right. ``sender=`` is compared with the sender.

        Raises:
            AssertionError: no such call waits; the error shows those that do, the nearest first.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            TypeError: the receiver never gets such a kwarg.
        """
        names = self._names(receiver)
        found = self._look(receiver, kwargs)
        if found:
            return found[0].call
        calls = [waiting.call for waiting in self._snapshot()]
        wanted = f"{' or '.join(sorted(names))}({shown(kwargs)})"
        raise AssertionError(f"{wanted} was not deferred. {instead(calls, names, kwargs)}")

    def refute_deferred(self, receiver: Target, /, **kwargs: Any) -> None:
        """Assert that no call of the receiver waits whose kwargs have these values.

        Raises:
            AssertionError: such a call waits.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            TypeError: the receiver never gets such a kwarg.
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
        """Run the messages that wait, and those that they defer, with all retries.

        Nothing sleeps: a simulated clock moves on from one due attempt to the next.

        Arguments:
            receiver: run the messages of this receiver alone, and let the others wait.
            waits: assert that these were the seconds between attempts, of all messages in order;
                each may be longer by the ``wait_jitter`` of the receiver's policy.
            raises: raise the first failure when all messages have run, with a note that names the
                receiver; with False, failures are in the result alone.

        Raises:
            AssertionError: the seconds between attempts were others than ``waits``.
            InvalidReceiver: ``receiver`` is no deferred receiver.
            Exception: the one with which the first message failed for good. A `FakeCrash` is not
                raised, as the test planned it.
        """
        story = run_story(self.take, lambda: self._pop(receiver))
        tell_of_stale_instances()
        if waits is not None:
            check_waits(story, waits)
        if raises:
            raise_first(story)
        return story

    def lose(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Lose messages, as a broker does that loses its data; return their calls.

        Arguments:
            receiver: the receiver whose messages are lost; None: those of all receivers.
            kwargs: lose only calls with these values, as in `assert_deferred`.

        Raises:
            AssertionError: no such message waits.
        """
        lost = self._some(receiver, kwargs)
        self._remove(lost)
        return [waiting.call for waiting in lost]

    def double(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Deliver messages twice, both times under the same id; the arguments are those of `lose`.

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
        """Deliver messages late, after all others that are due in the meantime.

        Arguments:
            seconds: how late; ``expires`` and the policy's ``timeout`` count these seconds.
            receiver: the receiver whose messages are late, as in `lose`.
            kwargs: as in `assert_deferred`.

        Raises:
            AssertionError: no such message waits.
        """
        late = self._some(receiver, kwargs)
        for waiting in late:
            waiting.late += seconds
        return [waiting.call for waiting in late]

    def left(self) -> list[Call]:
        """Return the calls that were neither run nor looked at."""
        return [waiting.call for waiting in self._snapshot() if not waiting.seen]

    def _snapshot(self) -> list[_Waiting]:
        with self._lock:
            return list(self._waiting)

    def _names(self, receiver: Target) -> frozenset[str]:
        gathered = [waiting.receiver for waiting in self._snapshot()]
        return frozenset(item.name for item in receivers_of(receiver, gathered))

    def _look(self, receiver: Target | None, kwargs: dict[str, Any]) -> list[_Waiting]:
        """Find what waits of a receiver with these kwargs, and mark it as seen."""
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
            raise AssertionError(f"No such message{whose} waits.")
        return found

    def _pop(self, receiver: Target | None) -> list[Delivery]:
        """Take what waits out of the collection: all messages, or those of one receiver."""
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
