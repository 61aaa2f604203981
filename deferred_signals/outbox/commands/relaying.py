"""``manage.py deferred_outbox relay``: wake up what is due, as workers do by themselves."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import Error

from deferred_signals.outbox.commands.common import Action, unreadable
from deferred_signals.outbox.look import Look
from deferred_signals.outbox.operations.wording import counted
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

__all__ = ["RelayOn"]

#: Seconds before a database that does not answer is asked again.
PAUSE = 5.0


class RelayOn(Action):
    """Wake up what is due, until a signal asks for the end."""

    help = "Wake up what is due, as workers do by themselves, until Ctrl-C or SIGTERM."

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        parser.add_argument("--once", action="store_true", help="End when nothing is due any more.")

    def run(self, *, verbosity: int, once: bool, **_options: Any) -> None:
        """Relay, and tell how many messages were woken up."""
        store = Store()
        relay = Relay(store, ends_unknown=False, warns=False)
        try:
            if once:
                self._look_once(relay, verbosity)
            else:
                self._look_on(relay, verbosity)
        finally:
            store.close()

    def _look_once(self, relay: Relay, verbosity: int) -> None:
        try:
            found = relay.look_until_done()
        except Error as error:
            raise unreadable(error) from error
        self._tell(found, verbosity)
        if found.failure is not None:
            raise CommandError(_unpublished(found.failure))

    def _look_on(self, relay: Relay, verbosity: int) -> None:
        """Look until a signal asks for the end; tell once of each outage."""
        total, failing, is_first = Look(), "", True
        with _stopping() as signals:
            while not signals:
                try:
                    found, wait = relay.work()
                except Error as error:
                    if is_first:  # rather a mistake than an outage
                        raise unreadable(error) from error
                    found, wait = Look(failure=unreadable(error)), PAUSE
                is_first = False
                failing = self._tell_once(found, failing)
                total = total.and_(found)
                if found.woken:
                    self._tell(found, verbosity)
                _sleep(wait, signals)
        if verbosity:
            self.out.write(f"Ended by {signal.Signals(signals[0]).name}. {_told(total)}")

    def _tell_once(self, found: Look, failing: str) -> str:
        """Tell why a look failed, unless the one before did, too; return what fails."""
        if found.failure is None:
            return "" if found.woken or failing == "database" else failing
        is_database = isinstance(found.failure, CommandError)
        fails = "database" if is_database else "broker"
        if fails != failing:
            text = str(found.failure) if is_database else _unpublished(found.failure)
            self.err.write(text)
        return fails

    def _tell(self, found: Look, verbosity: int) -> None:
        if verbosity:
            self.out.write(_told(found))


def _told(found: Look) -> str:
    return f"Woke up {counted(found.woken, 'message')}."


def _unpublished(error: BaseException) -> str:
    return (
        f"Some messages could not be woken up ({type(error).__name__}: {error}). They wait in the "
        f"outbox, and are tried again."
    )


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Collect the signals that ask for an end."""
    found: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: found.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sleep(seconds: float, signals: list[int]) -> None:
    """Sleep, but not after a signal, which Python's own sleep goes on after."""
    until = time.monotonic() + seconds
    while not signals and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))
