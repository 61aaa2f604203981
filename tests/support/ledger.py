"""`Ledger`: what became of messages that several processes send, some of which end on the way.

Each process notes in one file what it has sent and what the lifecycle signals tell. A note is written
at once, and by one call, so that it is there whatever ends the process.
"""

import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deferred_signals import PublishError, events


class Ledger:
    """The notes of this process, and of those that it forks.

    Arguments:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        events.message_published.connect(self._note_published)
        events.publish_failed.connect(self._note_failed)

    def note_sent(self, message: str, seconds: float) -> None:
        """Note a message whose commit has returned, and the seconds that the commit took."""
        self._note("sent", message, seconds)

    def note(self, what: str, message: str) -> None:
        """Note something else about a message."""
        self._note(what, message)

    def _note_published(self, message: Any, **kwargs: object) -> None:
        self._note("published", message.id)

    def _note_failed(
        self, messages: tuple[Any, ...], exception: Exception, **kwargs: object
    ) -> None:
        is_kept = isinstance(exception, PublishError) and exception.is_kept
        for message in messages:
            self._note("kept" if is_kept else "failed", message.id)

    def _note(self, *values: object) -> None:
        os.write(self._file, f"{json.dumps([os.getpid(), *values])}\n".encode())


@dataclass(frozen=True)
class Counts:
    """What became of messages.

    Attributes:
        sent: how many commits returned.
        arrived: how many messages the broker has.
        reported: how many `publish_failed` named; some of them may have arrived.
        silent: how many neither arrived nor were reported.
        doubled: how many arrived more than once.
        contradicted: how many were told to be published, and also reported, or not there.
        slowest: the seconds of the slowest commit, but for the first of each process, which imports.
        senders: how many processes sent.
    """

    sent: int
    arrived: int
    reported: int
    silent: int
    doubled: int
    contradicted: int
    slowest: float
    senders: int


def noted_so_far(path: Path, what: str) -> int:
    """Count the notes of a kind: `sent`, `published`, `failed`, or `kept` in the outbox."""
    return path.read_text().count(f'"{what}"') if path.exists() else 0


def noted(path: Path, what: str) -> list[str]:
    """Return the ids of the messages in the notes of a kind."""
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    return [message for _, found, message, *_ in notes if found == what]


def untold_so_far(path: Path) -> int:
    """Count the messages whose commit has returned, and of which no lifecycle signal has told."""
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    told = {message for _, what, message, *_ in notes if what != "sent"}
    return len({message for _, what, message, *_ in notes if what == "sent"} - told)


def counts(path: Path, found: Collection[str]) -> Counts:
    """Count what became of the messages of a ledger, of which these ids were found on the broker."""
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    commits = [(process, *rest) for process, what, *rest in notes if what == "sent"]
    first = {process: message for process, message, _ in reversed(commits)}
    sent = {message: seconds for _, message, seconds in commits}
    published = {message for _, what, message, *_ in notes if what == "published"}
    failed = {message for _, what, message, *_ in notes if what == "failed"}
    arrived = set(found)
    return Counts(
        sent=len(sent),
        arrived=len(arrived),
        reported=len(failed),
        silent=len(sent.keys() - arrived - failed),
        doubled=len(found) - len(arrived),
        contradicted=len(published & failed) + len(published - arrived),
        slowest=max(sent[message] for message in sent.keys() - first.values()),
        senders=len(first),
    )
