"""Where committed messages go: to the broker, or in tests and eager mode to somewhere in this process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.running.eager import run_all
from deferred_signals.running.facts import always_eager
from deferred_signals.sending.publisher import publish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deferred_signals.sending.outgoing import Outgoing

__all__ = ["BROKER", "HERE", "Way", "current_way", "using_way"]


@dataclass(frozen=True)
class Way:
    """One way for messages to leave.

    Attributes:
        leave: takes the messages of a transaction that was committed.
        local: they stay in this process, so that a ``TestCase``'s own transaction, which is never
            committed, does not hold them back.
        raises: ``leave`` may raise, and the caller of the commit should see it.
    """

    leave: Callable[[Sequence[Outgoing]], None]
    local: bool
    raises: bool = False


def run_here(gathered: Sequence[Outgoing]) -> None:
    """Run messages in this process: eager mode."""
    run_all([outgoing.wire for outgoing in gathered])


BROKER = Way(publish, local=False)
HERE = Way(run_here, local=True, raises=True)

#: Ways that tests put in place of the settings', the innermost last. One for the process: the
#: threads of a live server are under test as well.
_in_use: list[Way] = []


def current_way() -> Way:
    """The way for messages that are sent now."""
    if _in_use:
        return _in_use[-1]
    return HERE if conf.current().EAGER or always_eager() else BROKER


@contextmanager
def using_way(way: Way) -> Iterator[None]:
    """Let messages leave by another way for the length of a block."""
    _in_use.append(way)
    try:
        yield
    finally:
        _in_use.remove(way)
