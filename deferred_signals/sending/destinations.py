"""Say where committed messages go: to the broker, or in tests and eager mode somewhere in this process."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING

from deferred_signals import conf
from deferred_signals.errors import PublishError
from deferred_signals.publishing.celery_settings import always_eager, answers, current_app
from deferred_signals.publishing.reports import Unpublished
from deferred_signals.publishing.spilling import report, spill
from deferred_signals.support.forks import unforked
from deferred_signals.support.under_test import is_under_test
from deferred_signals.support.uwsgi import may_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.receiver import Receiver

__all__ = [
    "BROKER",
    "HERE",
    "LIVE",
    "Destination",
    "current_destination",
    "may_raise",
    "report_kept",
    "stays_here",
    "using_destination",
    "wake",
]


@dataclass(frozen=True, eq=False)
class Destination:
    """Where messages go after the commit; equal to itself alone, so that blocks can be nested.

    Attributes:
        take: takes the messages of a transaction that was committed.
        local: the messages stay in this process, so that a ``TestCase``'s own transaction, which is
            never committed, does not hold them back.
        raises: ``take`` may raise, and the caller of the commit should see the error.
    """

    take: Callable[[Sequence[Outgoing]], None]
    local: bool
    raises: bool = False


def publish(gathered: Sequence[Outgoing]) -> None:
    """Hand messages to the broker.

    Raises:
        PublishError: the messages would leave a test that has not allowed it.
    """
    if _is_refused():
        names = ", ".join(sorted({outgoing.message.receiver for outgoing in gathered}))
        raise PublishError(
            f"A test would publish {len(gathered)} messages, for {names}, to the broker of the "
            f"settings ({answers().transport}), whose workers act on other rows than the test's. "
            f"Use inline() or manual() of deferred_signals.testing; or live(), or "
            f"DEFERRED_SIGNALS = {{'PUBLISH_IN_TESTS': True}} for all tests, where the broker is "
            f"the tests' own."
        )
    publish_live(gathered)


def publish_live(gathered: Sequence[Outgoing]) -> None:
    """Hand messages to the broker, also in a test."""
    try:
        hand_over = _publisher()
    except Exception as error:  # noqa: BLE001 - a module cannot be read, for instance
        report([Unpublished(outgoing, error, is_certain=True) for outgoing in gathered])
        spill()
    else:
        hand_over(gathered)


def run_here(gathered: Sequence[Outgoing]) -> None:
    """Run messages in this process: eager mode."""
    _runner()(gathered)


# Both are imported by the first commit that needs them, as Celery imports its own parts that talk
# to a broker: a process that publishes nothing should not pay for them when it starts.


@cache
def _publisher() -> Callable[[Sequence[Outgoing]], None]:
    with unforked():
        from deferred_signals.publishing.publisher import publish  # noqa: PLC0415 - see above

    return publish


def wake(receiver: Receiver) -> None:
    """Let what publishes be imported, and connect, while the transaction of the first send goes on.

    That is done on a thread of its own: imports and a handshake would hold up the commit.

    Arguments:
        receiver: the one that something is sent to.
    """
    if current_destination() is not BROKER or _is_refused() or answers().transport == "memory":
        return
    if may_fork():  # the child would inherit what locks the thread holds
        return
    given = current_app(), receiver
    with suppress(RuntimeError):  # no thread can be started, and the commit will see to it
        Thread(target=_wake, args=given, name="deferred_signals.wake", daemon=True).start()


def _wake(app: object, receiver: Receiver) -> None:
    with suppress(Exception):  # the commit meets the same error, and reports it
        _publisher()
        sys.modules["deferred_signals.publishing.lines"].wake(app, receiver)


def report_kept() -> None:
    """Report messages that wait in memory for a broker, as lost; a test has ended that sent them."""
    lines = sys.modules.get("deferred_signals.publishing.lines")
    if lines is not None:
        lines.drop_kept(tell=True)


@cache
def _runner() -> Callable[[Sequence[Outgoing]], None]:
    with unforked():
        from deferred_signals.running.eager import run_all  # noqa: PLC0415 - see above

    return run_all


BROKER = Destination(publish, local=False)
LIVE = Destination(publish_live, local=False)
HERE = Destination(run_here, local=True, raises=True)

#: Destinations that tests put in place of the settings' own, the innermost last. One list for the
#: process, as the threads of a live server are under test as well.
_in_use: list[Destination] = []


def current_destination() -> Destination:
    """Return where the messages that are sent now are to go."""
    if _in_use:
        return _in_use[-1]
    return HERE if _is_eager() else BROKER


def _is_eager() -> bool:
    try:
        return conf.current().EAGER or always_eager()
    except Exception:  # noqa: BLE001 - a wrong setting of Celery's, which publishing tells of
        return False


@contextmanager
def using_destination(destination: Destination) -> Iterator[None]:
    """Let messages go to another destination for the length of a block."""
    _in_use.append(destination)
    try:
        yield
    finally:
        _in_use.remove(destination)


def may_raise(destination: Destination) -> bool:
    """Return whether the caller of a commit should see what a destination raises then."""
    if destination is BROKER:
        return _is_refused()
    return destination.raises and conf.current().EAGER_PROPAGATES


def stays_here(destination: Destination) -> bool:
    """Return whether nothing leaves this process: for a destination inside of it, or in a test."""
    return destination.local or may_raise(destination)


def _is_refused() -> bool:
    """Return whether this is a test's process in which nothing has allowed to publish."""
    if not is_under_test() or conf.current().PUBLISH_IN_TESTS:
        return False
    return LIVE not in _in_use and answers().transport != "memory"
