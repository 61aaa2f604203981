"""``manage.py deferred_outbox status`` and ``show``: look, and change nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from deferred_signals.outbox.commands.arguments import add_database, age
from deferred_signals.outbox.commands.common import Action
from deferred_signals.outbox.operations.lookup import show
from deferred_signals.outbox.operations.status import status
from deferred_signals.outbox.operations.wording import age_in_words

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from deferred_signals.outbox.operations.lookup import Shown
    from deferred_signals.outbox.operations.status import Count, Status

__all__ = ["Show", "ShowStatus"]

#: States in which a message waits for a known time.
_AHEAD = frozenset({"waiting", "retrying"})


class ShowStatus(Action):
    """Tell how the outbox stands."""

    help = (
        "Tell how the outbox stands. The exit code is 1 where no relay lives, or where there is more "
        "than the options allow."
    )

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        parser.add_argument("--json", action="store_true", help="Write JSON, for programs.")
        parser.add_argument(
            "--max-dead", type=int, metavar="N", help="More dead letters than this are an alarm."
        )
        parser.add_argument(
            "--max-due",
            type=age,
            metavar="AGE",
            help="A message that is due for longer is an alarm: 90s, 30m, 36h or 7d.",
        )
        add_database(parser)

    def run(self, *, verbosity: int, using: str | None, **options: Any) -> None:
        """Write it, and raise the alarms."""
        found = status(using)
        if options["json"]:
            self.out.write(json.dumps([asdict(one) for one in found], indent=2))
        elif verbosity:
            self.out.write("\n".join(line for one in found for line in _lines(one)))
        alarms = [
            alarm
            for one in found
            for alarm in _alarms(one, options["max_dead"], options["max_due"])
        ]
        if alarms:
            raise CommandError("\n".join(alarms))


def _alarms(found: Status, max_dead: int | None, max_due: timedelta | None) -> Iterator[str]:
    if not found.relays_live:
        yield (
            f"{found.using}: messages are due for longer than two LEASE. No relay lives, or the "
            f"broker takes nothing."
        )
    dead, due = found.counts["dead"], found.counts["due"]
    if max_dead is not None and dead.number > max_dead:
        yield f"{found.using}: {dead} dead letters, and --max-dead allows {max_dead:,}."
    if max_due is not None and (due.oldest or 0.0) > max_due.total_seconds():
        yield f"{found.using}: a message is due since {age_in_words(due.oldest or 0.0)}."


def _lines(found: Status) -> Iterator[str]:
    yield f"Database {found.using}"
    rows = [
        (state, str(count), "" if count.oldest is None else _since(state, count.oldest))
        for state, count in found.counts.items()
    ]
    yield from _table(("state", "messages", "oldest"), rows)
    by_receiver = list(_by_receiver(found.counts))
    if by_receiver:
        yield ""
        yield from _table(("receiver", "messages"), by_receiver)
    if any(count.more for count in found.counts.values()):
        yield "A + means at least; the receivers are those of the oldest messages."
    yield ""
    if found.paused:
        yield f"Paused: {', '.join(found.paused)}."
    if found.oldest_snapshot is not None:
        yield f"The oldest snapshot is {age_in_words(found.oldest_snapshot)} old."
    yield "Relays live." if found.relays_live else "No relay lives, or the broker takes nothing."


def _by_receiver(counts: Mapping[str, Count]) -> Iterator[tuple[str, str]]:
    names = sorted({name for count in counts.values() for name in count.receivers})
    for name in names:
        yield (
            name,
            ", ".join(
                f"{count.receivers[name]:,} {state}"
                for state, count in counts.items()
                if name in count.receivers
            ),
        )


def _since(state: str, seconds: float) -> str:
    if state in _AHEAD:
        return f"due in {age_in_words(-seconds)}"
    return age_in_words(seconds)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = [head, *rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    for row in rows:
        yield ("  " + "  ".join(map(str.ljust, row, widths))).rstrip()


class Show(Action):
    """Tell what is known of one message."""

    help = "Tell what is known of one message, without the values of its kwargs."

    @staticmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""
        parser.add_argument("id", metavar="ID", help="The message's id, as logs show it.")
        parser.add_argument(
            "--payload", action="store_true", help="Show the message itself, with all values."
        )
        add_database(parser)

    def run(self, *, verbosity: int, using: str | None, **options: Any) -> None:
        """Write it."""
        found = show(options["id"], using=using)
        if found is None:
            raise CommandError(
                f"{options['id']} is not there: it is through, it was discarded, or it was never "
                f"durable."
            )
        if verbosity:
            self.out.write("\n".join(_told(found)))
        if options["payload"]:
            self.out.write(found.row.payload)


def _told(found: Shown) -> Iterator[str]:
    row = found.row
    facts = {
        "message": str(row.id),
        "database": found.using,
        "receiver": found.described,
        "subject": row.subject,
        "state": found.state,
        "since" if found.state not in _AHEAD else "due": _moment(found.since),
        "run by": row.claimed_by if found.state == "running" else "",
        "runs begun": str(row.attempt),
        "sent": _moment(row.created_at),
        "expires": _moment(row.expires_at),
        "options": ", ".join(found.options),
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            yield f"{name.ljust(width)}  {value}"
    if row.error:
        yield ""
        yield row.error.rstrip()


def _moment(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
