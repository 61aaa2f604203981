"""`fake_crash`: what becomes of messages when a process dies, played through in a test."""

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

    * ``at="publish"``: the sender's, between COMMIT and publishing. The code under test ends
      there, as after a crash nothing more of it runs, and so does the block. The row is
      committed, and the message lost.
    * ``at="run"``: a worker's child, when the receiver had run. That uses up an attempt: the
      message runs again where its policy allows one more.
    * ``at="settle"``: a whole worker, when the receiver had run. The broker gives the message out
      again, and no attempt is used up.

    The last two are met by each message once, in a ``run_deferred()`` within the block.

    Arguments:
        at: where the process dies.

    Raises:
        AssertionError: the block ended, and nothing had come to that point.
        ValueError: there is no such place.
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
            raise AssertionError(f"Nothing crashed: no message came to {self._at!r} in this block.")
        return isinstance(error, FakeCrash)

    def meets(self, run: object) -> Place | None:
        """The crash that a run meets: its first one within the block."""
        if id(run) in self._met:
            return None
        self._met.add(id(run))
        return self._at

    def _die(self, batch: Sequence[Outgoing]) -> None:
        self.meets(batch)
        raise FakeCrash(f"{len(batch)} messages were committed and not published.")


_planned: list[fake_crash] = []


def crash_of_workers(run: object) -> Place | None:
    """The crash that the run of a message meets, by the innermost block that plans one."""
    return _planned[-1].meets(run) if _planned else None
