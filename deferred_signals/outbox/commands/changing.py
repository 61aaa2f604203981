"""``manage.py deferred_outbox replay``, ``discard``, ``pause``, ``resume`` and ``purge``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from deferred_signals.outbox.commands.arguments import (
    add_database,
    add_receiver,
    add_selection,
    age,
    selection_from,
)
from deferred_signals.outbox.commands.common import Action
from deferred_signals.outbox.operations.actions import StillRuns, cancel, discard, purge, replay
from deferred_signals.outbox.operations.pausing import pause, resume
from deferred_signals.outbox.operations.selection import Selection
from deferred_signals.outbox.operations.wording import counted
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import is_durable

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence

__all__ = ["Discard", "Pause", "Purge", "Replay", "Resume"]


#: Messages after which long work is told of.
EACH = 10_000


class Replay(Action):
    """Let dead letters run again."""

    help = (
        "Let dead letters run again, from their first attempt on. They run out of order: later "
        "messages of their key have run by now."
    )

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        add_selection(parser, "replay")
        parser.add_argument(
            "--to",
            metavar="RECEIVER",
            help="Another receiver of the same signal. It gets new messages; the letters stay dead.",
        )

    def run(self, *, verbosity: int, to: str | None, **options: Any) -> None:
        """Replay, and tell how many."""
        found = replay(
            selection_from(options),
            to=to,
            using=options["using"],
            dry_run=options["dry_run"],
            progress=_progress(self, verbosity),
        )
        if options["ids"] and not found:
            raise CommandError("None of these is a dead letter.")
        done = "Would replay" if options["dry_run"] else "Replayed"
        if verbosity:
            whom = "" if to is None else f" to {to}"
            self.out.write(f"{done} {counted(found, 'dead letter')}{whom}.")


class Discard(Action):
    """Remove messages for good."""

    help = (
        "Remove messages for good: those of these ids, whether they are dead or wait, or else the "
        "dead letters that are chosen."
    )

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        add_selection(parser, "discard")
        parser.add_argument(
            "--force",
            action="store_true",
            help="With ids: also remove what a worker runs now. The run goes on, and is the last one.",
        )

    def run(self, *, verbosity: int, force: bool, **options: Any) -> None:
        """Discard, and tell how many."""
        which, dry_run = selection_from(options), options["dry_run"]
        if ids := options["ids"]:
            if which != Selection(ids=ids) or dry_run:
                raise CommandError("Ids are discarded one by one: leave out the other options.")
            self._tell(self._cancel(ids, options["using"], force=force), "message", verbosity)
            return
        if force:
            raise CommandError("--force is for ids: dead letters do not run.")
        found = discard(
            which,
            using=options["using"],
            dry_run=dry_run,
            progress=_progress(self, verbosity),
        )
        self._tell(found, "dead letter", verbosity, dry_run=dry_run)

    def _cancel(self, ids: Sequence[str], using: str | None, *, force: bool) -> int:
        found, failures = 0, []
        for id_ in ids:
            try:
                if cancel(id_, force=force, using=using):
                    found += 1
                else:
                    failures.append(f"{id_} is not there: it is through, or was never durable.")
            except StillRuns as error:
                failures.append(f"{error} With --force it is removed.")
        if failures:
            told = "\n".join(failures)
            raise CommandError(f"Discarded {counted(found, 'message')}.\n{told}")
        return found

    def _tell(self, found: int, what: str, verbosity: int, *, dry_run: bool = False) -> None:
        if verbosity:
            done = "Would discard" if dry_run else "Discarded"
            self.out.write(f"{done} {counted(found, what)}.")


class Pause(Action):
    """Pause a receiver."""

    help = "Let no worker begin durable messages of a receiver until it is resumed. They wait."

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        add_receiver(parser)

    def run(self, *, verbosity: int, receiver: str, using: str | None, **_options: Any) -> None:
        """Pause it, and tell."""
        is_new = pause(receiver, using=using)
        known = registry.find(receiver)
        if known is None:
            self.err.write(f"This process knows no receiver {receiver}. It is paused all the same.")
        elif not is_durable(known.options):
            self.err.write(
                f"{receiver} is not durable: only what waits in the outbox is paused, not what is "
                f"with the broker."
            )
        if verbosity:
            self.out.write(f"{receiver} {'is paused' if is_new else 'was paused already'}.")


class Resume(Action):
    """Resume a receiver."""

    help = "Let workers begin the messages of a paused receiver again."

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        add_receiver(parser)

    def run(self, *, verbosity: int, receiver: str, using: str | None, **_options: Any) -> None:
        """Resume it, and tell."""
        if not resume(receiver, using=using):
            raise CommandError(f"{receiver} is not paused.")
        if verbosity:
            self.out.write(f"{receiver} is resumed.")


class Purge(Action):
    """Remove old dead letters."""

    help = "Remove dead letters that are older than RETENTION, as relays do by themselves."

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        parser.add_argument(
            "--older-than", type=age, metavar="AGE", help="Another age: 90s, 30m, 36h or 7d."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count; change nothing.")
        add_database(parser)

    def run(self, *, verbosity: int, using: str | None, dry_run: bool, **options: Any) -> None:
        """Purge, and tell how many."""
        found = purge(
            older_than=options["older_than"],
            using=using,
            dry_run=dry_run,
            progress=_progress(self, verbosity),
        )
        if verbosity:
            done = "Would purge" if dry_run else "Purged"
            self.out.write(f"{done} {counted(found, 'dead letter')}.")


def _progress(action: Action, verbosity: int) -> Callable[[int], None]:
    """Return what tells of long work, each time that so many messages more are through."""
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if verbosity and done >= told + EACH:
            told = done
            action.err.write(f"{done:,} so far.")

    return tell
