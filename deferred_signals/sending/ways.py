"""Where committed messages go: to the broker, or in tests and eager mode to somewhere in this process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.running.facts import always_eager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deferred_signals.sending.outgoing import Outgoing

__all__ = ["BROKER", "HERE", "Way", "current_way", "using_way"]


@dataclass(frozen=True, eq=False)
class Way:
    """One way for messages to leave; equal to itself alone, so that blocks can be nested.

    Attributes:
        leave: takes the messages of a transaction that was committed.
        local: they stay in this process, so that a ``TestCase``'s own transaction, which is never
            committed, does not hold them back.
        raises: ``leave`` may raise, and the caller of the commit should see it.
    """

    leave: Callable[[Sequence[Outgoing]], None]
    local: bool
    raises: bool = False


def publish(gathered: Sequence[Outgoing]) -> None:
    """Hand messages to the broker."""
    from deferred_signals.sending import publisher  # noqa: PLC0415 - see below

    publisher.publish(gathered)


def run_here(gathered: Sequence[Outgoing]) -> None:
    """Run messages in this process: eager mode."""
    from deferred_signals.running import eager  # noqa: PLC0415 - see below

    eager.run_all([outgoing.wire for outgoing in gathered])


# Both are imported by the first commit that goes their way, as Celery imports its own parts that
# talk to a broker: a process that publishes nothing should not pay for them when it starts.


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
