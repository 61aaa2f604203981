"""``manage.py deferred_outbox``: look after durable messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from deferred_signals.errors import UnknownReceiver
from deferred_signals.outbox.commands.changing import Discard, Pause, Purge, Replay, Resume
from deferred_signals.outbox.commands.common import unreadable
from deferred_signals.outbox.commands.looking import Show, ShowStatus
from deferred_signals.outbox.commands.relaying import RelayOn

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from deferred_signals.outbox.commands.common import Action

ACTIONS: dict[str, type[Action]] = {
    "status": ShowStatus,
    "show": Show,
    "relay": RelayOn,
    "replay": Replay,
    "discard": Discard,
    "pause": Pause,
    "resume": Resume,
    "purge": Purge,
}


class Command(BaseCommand):
    """The command, whose first argument says what to do."""

    help = "Look after durable messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what the command can do."""
        actions = parser.add_subparsers(dest="action", required=True)
        for name, action in ACTIONS.items():
            action.declare(actions.add_parser(name, help=action.help, description=action.help))

    def handle(self, *_args: Any, action: str, **options: Any) -> None:
        """Do what the first argument says."""
        try:
            ACTIONS[action](self).run(**options)
        except Error as error:
            raise unreadable(error) from error
        except (UnknownReceiver, ValueError) as error:
            raise CommandError(str(error)) from error
