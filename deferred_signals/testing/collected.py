"""`Collected`: the messages that a test collected, and the assertions about them."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from deferred_signals import conf
from deferred_signals.testing.calls import Call, Waiting, decoded, shown
from deferred_signals.testing.matching import check_names, differences, instead, receivers_of
from deferred_signals.testing.ran import Ran, check_waits, raise_first
from deferred_signals.testing.stale import tell_of_stale_instances
from deferred_signals.testing.story import Delivery, run_story

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.testing.matching import Target

__all__ = ["Call", "Collected", "in_force"]

#: The collections of the `manual` modes in force, the innermost last. All threads share this list.
in_force: list[Collected] = []


class Collected:
    """Messages that wait for the test to run them; `deferred_signals.testing.manual` makes one.

    Any number of threads may add messages and look at them.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: list[Waiting] = []
        self._wires: list[str] = []

    def take(self, batch: Sequence[Outgoing]) -> None:
        """Take the messages of a committed transaction, and decode each as a worker does."""
        taken = [decoded(outgoing) for outgoing in batch]
        with self._lock:
            self._waiting += taken
            self._wires += [outgoing.payload for outgoing in batch]

    @property
    def wires(self) -> tuple[str, ...]:
        """Return the payload of each message that was ever taken."""
        return tuple(self._wires)

    def all_deferred(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Return the calls that wait, the oldest first; of one receiver, or of all.

        Arguments:
            receiver: whose calls; None: those of all receivers.
            kwargs: only calls with these values, as in `assert_deferred`.

        Raises:
            InvalidReceiver: ``receiver`` is no deferred receiver.
            TypeError: the receiver never gets such a kwarg.
        """
        return [waiting.call for waiting in self._look(receiver, kwargs)]

    def assert_deferred(self, receiver: Target, /, **kwargs: Any) -> Call:
        """Assert that a call of the receiver waits whose kwargs have these values; return the call.

        The call may have other kwargs too. Values are compared with ``==``, so `unittest.mock.ANY`
        matches everything. A function in a value's place is called with the value, and says
        whether the value is right. ``sender=``, ``durable=``, ``atomic=`` and ``ordered_by=`` are
        compared with these attributes of the `Call`, unless the call has such a kwarg.

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

        Nothing sleeps: a simulated clock moves on from one due attempt to the next. Messages of one
        ``ordered_by`` key run one after another, whatever the ones before wait for.

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

        Of a durable message only the wake-up is lost, and the message comes a ``LEASE`` later.

        Arguments:
            receiver: the receiver whose messages are lost; None: those of all receivers.
            kwargs: lose only calls with these values, as in `assert_deferred`.

        Raises:
            AssertionError: no such message waits.
        """
        lost = self._some(receiver, kwargs)
        for waiting in lost:
            waiting.late += conf.current().OUTBOX.LEASE
        self._remove([waiting for waiting in lost if not waiting.outgoing.durable])
        return [waiting.call for waiting in lost]

    def double(self, receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
        """Deliver messages twice, both times under the same id; the arguments are those of `lose`.

        The second wake-up of a durable message does nothing, as its row is claimed once.

        Raises:
            AssertionError: no such message waits.
        """
        doubled = self._some(receiver, kwargs)
        copies = [decoded(item.outgoing) for item in doubled if not item.outgoing.durable]
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

    def _snapshot(self) -> list[Waiting]:
        with self._lock:
            return list(self._waiting)

    def _names(self, receiver: Target) -> frozenset[str]:
        gathered = [waiting.receiver for waiting in self._snapshot()]
        return frozenset(item.name for item in receivers_of(receiver, gathered))

    def _look(self, receiver: Target | None, kwargs: dict[str, Any]) -> list[Waiting]:
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

    def _some(self, receiver: Target | None, kwargs: dict[str, Any]) -> list[Waiting]:
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

    def _remove(self, out: list[Waiting]) -> None:
        gone = set(out)
        with self._lock:
            self._waiting = [waiting for waiting in self._waiting if waiting not in gone]
