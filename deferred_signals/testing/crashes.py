"""`fake_crash`: simulates in a test that a process dies at a certain hop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from deferred_signals.sending.destinations import Destination, using_destination

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["FakeCrash", "crash_of_workers", "fake_crash"]

Place = Literal["publish", "run", "settle"]
PLACES: tuple[Place, ...] = ("publish", "run", "settle")


class FakeCrash(BaseException):
    """Stands for the death of a process: no ``except Exception`` stops it."""


class fake_crash:  # noqa: N801 - used like a function
    """A block in which a process dies, at one hop of a message's way.

    * ``at="publish"``: the sender's process dies between COMMIT and publishing. The code under
      test stops there, as nothing of it would run after a crash, and the block ends. The row is
      committed, and the message is lost.
    * ``at="run"``: a worker's child dies after the receiver ran. The attempt counts: the message
      runs again if its policy allows one more.
    * ``at="settle"``: a whole worker dies after the receiver ran. The broker redelivers the
      message, and no attempt is used up.

    The last two happen once to each message, in a ``run_deferred()`` within the block.

    Arguments:
        at: where the process dies.

    Raises:
        AssertionError: the block ended, and no message had reached that hop.
        ValueError: ``at`` is none of the three.
    """

    def __init__(self, *, at: Place) -> None:
        if at not in PLACES:
            raise ValueError(f"at must be one of {', '.join(map(repr, PLACES))}, got {at!r}.")
        self._at = at
        self._met: set[int] = set()
        self._way: AbstractContextManager[None] | None = None

    def __enter__(self) -> Self:
        if self._at == "publish":
            self._way = using_destination(Destination(self._die, local=True, raises=True))
            self._way.__enter__()
        else:
            _planned.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._way is not None:
            self._way.__exit__(None, None, None)
        else:
            _planned.remove(self)
        if error is None and not self._met:
            raise AssertionError(f"Nothing crashed: no message reached {self._at!r} in this block.")
        return isinstance(error, FakeCrash)

    def meets(self, run: object) -> Place | None:
        """Return the crash that happens to a run: one within this block, the first time."""
        if id(run) in self._met:
            return None
        self._met.add(id(run))
        return self._at

    def _die(self, batch: Sequence[Outgoing]) -> None:
        self.meets(batch)
        raise FakeCrash(f"{len(batch)} messages were committed, and not published.")


_planned: list[fake_crash] = []


def crash_of_workers(run: object) -> Place | None:
    """Return the crash that the innermost block plans for the run of a message."""
    return _planned[-1].meets(run) if _planned else None
