"""Arguments of the command's actions: which messages, and times."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime

from deferred_signals.outbox.operations.selection import Selection

if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["add_database", "add_receiver", "add_selection", "age", "moment", "selection_from"]

_CHOICES = ("receiver", "subject", "error", "since", "until")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_database(parser: ArgumentParser) -> None:
    """Let the database be chosen."""
    parser.add_argument(
        "--using", metavar="ALIAS", help="One database; without it, all that have an outbox."
    )


def add_receiver(parser: ArgumentParser) -> None:
    """Let a receiver be named, and the database be chosen."""
    parser.add_argument("receiver", metavar="RECEIVER")
    add_database(parser)


def add_selection(parser: ArgumentParser, what: str) -> None:
    """Let dead letters be chosen."""
    parser.add_argument("ids", nargs="*", metavar="ID", help=f"Ids of the messages to {what}.")
    parser.add_argument("--all", action="store_true", help="All dead letters.")
    parser.add_argument("--receiver", metavar="NAME", help="Only dead letters of this receiver.")
    parser.add_argument(
        "--subject", metavar="ROW", help='Only those about this row, as "shop.Order 7".'
    )
    parser.add_argument(
        "--error", metavar="TEXT", help="Only those whose failures contain this text."
    )
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="Only those that died at or after this time: 2026-01-31, 2026-01-31T12:00, or 2h ago "
        "written as 2h (also s, m, d).",
    )
    parser.add_argument(
        "--until", type=moment, metavar="TIME", help="Only those that died before this time."
    )
    parser.add_argument("--dry-run", action="store_true", help="Only count; change nothing.")
    add_database(parser)


def selection_from(options: dict[str, Any]) -> Selection:
    """Return which dead letters the arguments mean.

    Raises:
        CommandError: nothing is given, or too much.
    """
    given = {name: options[name] for name in _CHOICES if options[name]}
    which = Selection(ids=options["ids"] or None, **given)
    if options["all"] == (which != Selection()):
        raise CommandError(
            f"Say which messages: ids, --all, or one or several of "
            f"{', '.join(f'--{name}' for name in _CHOICES)}."
        )
    return which


def age(text: str) -> timedelta:
    """Read an age.

    >>> age("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no age: write 90s, 30m, 36h or 7d.")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def moment(text: str) -> datetime:
    """Read a moment, or how long it is ago; one without a zone is of Django's own zone."""
    if re.fullmatch(r"\d+[smhd]", text):
        return datetime.now(UTC) - age(text)
    try:
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001 - see above
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time: {error}.") from error
    if found is None:
        raise ArgumentTypeError(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T12:00, or 2h for two hours ago."
        )
    return found
