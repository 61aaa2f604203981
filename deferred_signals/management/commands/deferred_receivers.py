"""``manage.py deferred_receivers``: the map of receivers."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import get_resolver

from deferred_signals.errors import ConfigurationError
from deferred_signals.map import receiver_map
from deferred_signals.map.listing import as_listing, difference
from deferred_signals.map.live import Live, ask_workers
from deferred_signals.map.mermaid import as_mermaid
from deferred_signals.map.plain import as_plain, live_as_plain
from deferred_signals.map.selection import NothingSelected, Selection
from deferred_signals.map.table import as_table, live_as_table

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from deferred_signals.map import ReceiverMap

#: Seconds that workers have for an answer.
SECONDS = 1.0


class Command(BaseCommand):
    """The command."""

    help = (
        "Show who listens to which signals: deferred receivers, and those that run in the sender's "
        "process, also those of Django and of packages."
    )
    # The map is wanted most where something is wrong.
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own attribute

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command can do."""
        part = parser.add_argument_group("what to show")
        part.add_argument(
            "--signal", default="", metavar="NAME", help="Signals with this in their name."
        )
        part.add_argument(
            "--sender",
            default="",
            metavar="NAME",
            help="What hears a sender with this in its name, like shop.Order.",
        )
        part.add_argument(
            "--receiver", default="", metavar="NAME", help="Receivers with this in their name."
        )
        part.add_argument(
            "--app",
            default="",
            metavar="LABEL",
            help="Receivers of an app, and those of its models.",
        )
        runs = part.add_mutually_exclusive_group()
        runs.add_argument(
            "--deferred",
            action="store_const",
            const="deferred",
            dest="runs",
            help="Only deferred ones.",
        )
        runs.add_argument(
            "--sync",
            action="store_const",
            const="sync",
            dest="runs",
            help="Only those that run in the sender's process.",
        )
        part.add_argument(
            "--project",
            action="store_true",
            help="Leave out what Django and packages connect by themselves.",
        )
        form = parser.add_argument_group("how").add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="Write JSON.")
        form.add_argument("--mermaid", action="store_true", help="Write a flowchart of Mermaid's.")
        form.add_argument(
            "--check",
            metavar="FILE",
            help="Compare with a file, show the difference, and exit with 1 if there is one.",
        )
        form.add_argument(
            "--write", metavar="FILE", help="Write the file that --check compares with."
        )
        parser.add_argument(
            "--live",
            nargs="?",
            const=SECONDS,
            type=float,
            metavar="SECONDS",
            help="Ask the workers that run which queues they take from, and exit with 1 unless one of "
            "those that answer takes from each queue. They have 1 second unless you say otherwise.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Show the map, or compare it."""
        names = ("signal", "sender", "receiver", "app", "project")
        selection = Selection(runs=options["runs"] or "", **{name: options[name] for name in names})
        self._load_urls()
        try:
            found = selection.of(receiver_map())
        except (ConfigurationError, NothingSelected) as error:
            raise CommandError(str(error)) from error
        live = _live(found, options)
        if options["write"] or options["check"]:
            self._keep(found, selection, options)
        elif options["mermaid"]:
            self.stdout.write(as_mermaid(found))
        elif options["json"]:
            plain = as_plain(found) | ({} if live is None else {"live": live_as_plain(live)})
            self.stdout.write(json.dumps(plain, indent=2))
        else:
            self.stdout.write(self._table(found))
            if live is not None:
                self.stdout.write(f"\n{live_as_table(live)}")
        if live is not None:
            _refuse_untaken(live)

    def _load_urls(self) -> None:
        """Import the views, as a site does: receivers may stand beside them."""
        if not getattr(settings, "ROOT_URLCONF", None):
            return
        try:
            _ = get_resolver().url_patterns
        except Exception as error:  # noqa: BLE001 - importing the project's modules may raise anything
            self.stderr.write(
                f"The URLconf cannot be imported ({type(error).__name__}: {error}): receivers that are "
                f"connected there are missing here."
            )

    def _table(self, found: ReceiverMap) -> str:
        """Write the table for the terminal, or for wherever else the output goes."""
        if not self.stdout.isatty():
            return as_table(found)
        return as_table(found, shutil.get_terminal_size().columns, self.style.MIGRATE_HEADING)

    def _keep(self, found: ReceiverMap, selection: Selection, options: dict[str, Any]) -> None:
        name = options["write"] or options["check"]
        command = f"python manage.py deferred_receivers {_arguments(selection)}--write {shlex.quote(name)}"
        text = as_listing(found, command)
        file = Path(name)
        try:
            if options["write"]:
                file.write_text(text, encoding="utf-8")
                kept = text
            else:
                kept = file.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise CommandError(f"{error}. To write the file: {command}") from error
        lines = difference(kept, text, name)
        if lines:
            self.stdout.write("\n".join(lines))
            raise CommandError(
                f"The receivers are not those in {name}. If they are meant to be as they are now, write "
                f"the file anew: {command}"
            )
        if options["verbosity"]:
            count = len(found.receivers)
            self.stdout.write(f"{name} has the {count} connections that there are.")


def _arguments(selection: Selection) -> str:
    """Write a selection as it was asked for."""
    words = [f"--{selection.runs}"] if selection.runs else []
    words += ["--project"] if selection.project else []
    for name in ("signal", "sender", "receiver", "app"):
        if value := getattr(selection, name):
            words.append(f"--{name} {shlex.quote(value)}")
    return "".join(f"{word} " for word in words)


def _live(found: ReceiverMap, options: dict[str, Any]) -> Live | None:
    seconds = options["live"]
    if seconds is None:
        return None
    if options["mermaid"] or options["check"] or options["write"]:
        raise CommandError("--live goes with the table or with --json.")
    if not seconds > 0:
        raise CommandError(f"--live takes a time in seconds above 0, got {seconds:g}.")
    try:
        return ask_workers(found, seconds)
    except Exception as error:
        raise CommandError(
            f"The broker cannot be asked for its workers ({type(error).__name__}: {error})."
        ) from error


def _refuse_untaken(live: Live) -> None:
    """End the command with an error, unless a worker takes from each queue."""
    if not live.workers:
        raise CommandError(
            f"No worker answered within {live.seconds:g} s. That does not mean that there is none: a "
            f"worker does not answer while it starts, while a solo or gevent pool is busy, with "
            f"CELERY_WORKER_ENABLE_REMOTE_CONTROL off, or on a broker like SQS. Ask for longer, as by "
            f"--live 5."
        )
    if live.untaken:
        queues = ",".join(queue.name for queue in live.untaken)
        raise CommandError(
            f"No worker that answered takes from {queues}: messages wait there. Start one with "
            f"-Q {queues}, or ask for longer if others run, as by --live 5."
        )
