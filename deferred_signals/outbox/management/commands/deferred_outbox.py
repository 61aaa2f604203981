"""``manage.py deferred_outbox``: look after durable messages."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from deferred_signals import conf
from deferred_signals.outbox.look import Look
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterator

#: Seconds before a database that does not answer is asked again.
PAUSE = 5.0


class Command(BaseCommand):
    """The command, whose first argument says what to do."""

    help = "Look after durable messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command can do."""
        actions = parser.add_subparsers(dest="action", required=True)
        relay = actions.add_parser(
            "relay",
            help="Wake up what is due, as workers do by themselves, until Ctrl-C or SIGTERM.",
        )
        relay.add_argument("--once", action="store_true", help="End when nothing is due any more.")

    def handle(self, *_args: Any, action: str, **options: Any) -> None:
        """Do what the first argument says."""
        getattr(self, f"_{action}")(**options)

    def _relay(self, *, once: bool, verbosity: int, **_options: Any) -> None:
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
            raise _unreadable(error) from error
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
                        raise _unreadable(error) from error
                    found, wait = Look(failure=_unreadable(error)), PAUSE
                is_first = False
                failing = self._tell_once(found, failing)
                total = total.and_(found)
                if found.woken:
                    self._tell(found, verbosity)
                _sleep(wait, signals)
        if verbosity:
            self.stdout.write(f"Ended by {signal.Signals(signals[0]).name}. {_told(total)}")

    def _tell_once(self, found: Look, failing: str) -> str:
        """Tell why a look failed, unless the one before did, too; return what fails."""
        if found.failure is None:
            return "" if found.woken or failing == "database" else failing
        is_database = isinstance(found.failure, CommandError)
        fails = "database" if is_database else "broker"
        if fails != failing:
            text = str(found.failure) if is_database else _unpublished(found.failure)
            self.stderr.write(text)
        return fails

    def _tell(self, found: Look, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(_told(found))


def _told(found: Look) -> str:
    return f"Woke up {found.woken} message{'' if found.woken == 1 else 's'}."


def _unpublished(error: BaseException) -> str:
    return (
        f"Some messages could not be woken up ({type(error).__name__}: {error}). They wait in the "
        f"outbox, and are tried again."
    )


def _unreadable(error: Error) -> CommandError:
    databases = ", ".join(conf.current().OUTBOX.DATABASES)
    reason = str(error).strip().partition("\n")[0]
    return CommandError(
        f"The outbox cannot be read or written ({type(error).__name__}: {reason}). Its databases are: "
        f"{databases}. If one of them lacks the table, run 'manage.py migrate' for it."
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
