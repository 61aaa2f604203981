"""``manage.py deferred_outbox``: look after durable messages."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from deferred_signals import conf
from deferred_signals.outbox.relay import Relay
from deferred_signals.outbox.store import Store

if TYPE_CHECKING:
    from argparse import ArgumentParser


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
        relay = Relay(Store(), ends_unknown=False)
        if once:
            self._tell(self._look_until_done(relay), verbosity)
            return
        stopping: list[int] = []
        before = {
            number: signal.signal(number, lambda number, _frame: stopping.append(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            while not stopping:
                woken, wait = relay.work()
                if woken:
                    self._tell(woken, verbosity)
                _sleep(wait, stopping)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look_until_done(self, relay: Relay) -> int:
        total = 0
        while True:
            woken = relay.look(for_lost=total == 0)
            total += woken
            if woken < conf.current().OUTBOX.RELAY_BATCH:
                return total

    def _tell(self, woken: int, verbosity: int) -> None:
        if verbosity:
            self.stdout.write(f"Woke up {woken} message{'' if woken == 1 else 's'}.")


def _sleep(seconds: float, stopping: list[int]) -> None:
    """Sleep, but not after a signal, which Python's own sleep goes on after."""
    until = time.monotonic() + seconds
    while not stopping and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))
