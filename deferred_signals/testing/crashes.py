"""`fake_crash`: simulates in a test that a process dies at a certain hop."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, nullcontext
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from deferred_signals.running.watching import watches
from deferred_signals.sending.commit import way_of
from deferred_signals.sending.destinations import (
    Destination,
    using_destination,
)
from deferred_signals.sending.flush import Flush, Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["FakeCrash", "crash_of_workers", "fake_crash"]

Place = Literal["send", "publish", "claim", "run", "settle"]


class FakeCrash(BaseException):
    """Stands for the death of a process: no ``except Exception`` stops it."""


class fake_crash:  # noqa: N801 - used like a function
    """A block in which a process dies, at one hop of a message's way.

    The sender's process: the code under test stops there, as nothing of it would run after a crash,
    and the block ends.

    * ``at="send"``: it dies in ``send()``, before the COMMIT. The transaction is rolled back, and
      nothing is sent. Where no transaction is open, what was saved before stays, and the message is
      lost, even if it is durable.
    * ``at="publish"``: it dies between COMMIT and publishing. The row is committed, and the message
      is lost. A durable message is delivered later: at the end of this block, to the mode around it.

    A worker's process, once for each message, in a ``run_deferred()`` within the block:

    * ``at="claim"``: a child dies before the receiver runs. The attempt counts: the message runs again
      if its policy allows one more.
    * ``at="run"``: a child dies after the receiver ran, and before that is noted. The attempt counts.
      Of an ``atomic`` receiver nothing is committed.
    * ``at="settle"``: a whole worker dies after the receiver ran. The broker redelivers the message,
      and no attempt is used up. The row of a durable message has counted the attempt, and runs again
      after a ``LEASE``. Of an ``atomic`` receiver nothing is committed.

    Arguments:
        at: where the process dies.

    Raises:
        AssertionError: the block ended, and no message had reached that hop.
        ValueError: ``at`` is none of these.
    """

    def __init__(self, *, at: Place) -> None:
        if at not in get_args(Place):
            raise ValueError(
                f"at must be one of {', '.join(map(repr, get_args(Place)))}, got {at!r}."
            )
        self._at = at
        self._met: set[int] = set()
        self._stack = ExitStack()
        self._destination = Destination(self._take, local=True, raises=True)
        #: Durable messages that were committed when the process died.
        self._kept: list[Outgoing] = []
        self._is_dead = False

    def __enter__(self) -> Self:
        if self._at == "send":
            self._stack.enter_context(_listed(watches, self))
        elif self._at == "publish":
            self._stack.enter_context(using_destination(self._destination))
        else:
            self._stack.enter_context(_listed(_planned, self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, FakeCrash):
            self._take_what_hooks_had(trace)
        self._stack.close()
        if error is None and not self._met:
            raise AssertionError(f"Nothing crashed: no message reached {self._at!r} in this block.")
        self._deliver_kept()
        return isinstance(error, FakeCrash)

    def meets(self, run: object) -> Place | None:
        """Return the crash that happens to a run: one within this block, the first time."""
        if id(run) in self._met:
            return None
        self._met.add(id(run))
        return self._at

    def sent(self, *_args: object) -> None:
        """Die in ``send()``: this is a `Watch`."""
        self.meets(self)
        raise FakeCrash("The sender's process died in send().")

    def running(self, *_args: object) -> AbstractContextManager[None]:
        """Let runs go on that are not due to the code under test."""
        return nullcontext()

    def _take(self, batch: Sequence[Outgoing]) -> None:
        """Die between COMMIT and publishing."""
        self._kept += [outgoing for outgoing in batch if outgoing.durable]
        if self._is_dead:
            return
        self.meets(batch)
        raise FakeCrash(f"{len(batch)} messages were committed, and not published.")

    def _take_what_hooks_had(self, trace: TracebackType | None) -> None:
        """Take the durable messages of hooks that Django did not call any more: they were committed.

        Django has the rest of a transaction's hooks in a local variable, and nowhere else.
        """
        self._is_dead = True
        for frame, _line in walk_tb(trace):
            if frame.f_code.co_name == "run_and_clear_commit_hooks":
                for _savepoints, hook, *_ in frame.f_locals["current_run_on_commit"]:
                    if isinstance(hook, (Flush, Tail)) and hook.destination is self._destination:
                        hook()

    def _deliver_kept(self) -> None:
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        destination, outbox = way_of(kept[0])
        if outbox is None:
            destination.take(kept)
            return
        for outgoing in kept:
            outbox.write(outgoing)


#: The blocks in which processes of workers die, the innermost last.
_planned: list[fake_crash] = []


@contextmanager
def _listed(where: list[Any], what: object) -> Iterator[None]:
    where.append(what)
    try:
        yield
    finally:
        where.remove(what)


def crash_of_workers(run: object) -> Place | None:
    """Return the crash that the innermost block plans for the run of a message."""
    return _planned[-1].meets(run) if _planned else None
