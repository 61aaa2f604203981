"""What all actions of the command share: their interface, and errors for people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from deferred_signals import conf

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from django.core.management.base import BaseCommand
    from django.db import Error

__all__ = ["Action", "unreadable"]


class Action(ABC):
    """One thing that the command can do.

    Arguments:
        command: where to write.

    Attributes:
        help: what it does, in a sentence.
    """

    help: str

    def __init__(self, command: BaseCommand) -> None:
        self.out = command.stdout
        self.err = command.stderr

    @staticmethod
    @abstractmethod
    def declare(parser: ArgumentParser) -> None:
        """Declare its arguments."""

    @abstractmethod
    def run(self, *args: Any, **options: Any) -> None:
        """Do it, with the values of its arguments."""


def unreadable(error: Error) -> CommandError:
    """Make the error of a database that does not answer, or lacks the table."""
    databases = ", ".join(conf.current().OUTBOX.DATABASES)
    reason = str(error).strip().partition("\n")[0]
    return CommandError(
        f"The outbox cannot be read or written ({type(error).__name__}: {reason}). Its databases are: "
        f"{databases}. If one of them lacks the table, run 'manage.py migrate' for it."
    )
