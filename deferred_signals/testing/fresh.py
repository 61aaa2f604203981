"""A process that sees messages as a worker does: it was set up like one, and has nothing else.

Run as ``python -m deferred_signals.testing.fresh [module of the Celery app]`` by
`deferred_signals.testing.strict`. Each line on stdin is a list of messages, answered by a line on
stdout. It runs no receiver, and asks no database: the rows of a test's transaction are not for it
to see.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import django

from deferred_signals.message import Message
from deferred_signals.publishing.celery_tasks import load_tasks
from deferred_signals.receivers import registry
from deferred_signals.running.attempt import prepare
from deferred_signals.running.outcomes import Failed
from deferred_signals.serialization import SenderNotLoaded, decode_sender

if TYPE_CHECKING:
    from typing import TextIO

    from deferred_signals.receivers.registry import Receiver

__all__: list[str] = []


def set_up(apps: list[str]) -> None:
    """Load what a worker loads: the Celery app, Django's apps, and the modules of tasks."""
    for app in apps:
        import_module(app)
    django.setup()
    load_tasks()


def look_at(text: str) -> dict[str, str]:
    """What hinders this process from running a message: an error, or something to be told."""
    message = Message.from_wire(text)
    prepared = prepare(message)
    if isinstance(prepared, Failed):
        return {"error": str(prepared.exception)}
    receiver = prepared.receiver
    try:
        registry.find_signal(receiver, message.signal)
    except LookupError as error:
        return {"error": str(error)}
    return _look_at_values(receiver, message)


def _look_at_values(receiver: Receiver, message: Message) -> dict[str, str]:
    name = "sender"
    try:
        sender = decode_sender(message.sender)
        for name, form in message.kwargs.items():  # noqa: B007 - the error tells it
            receiver.codec.decode(form)
    except Exception as error:  # noqa: BLE001 - whatever a project's decoder raises
        return {"error": f"{name} cannot be decoded: {type(error).__name__}: {error}"}
    return {"sender": sender.path} if isinstance(sender, SenderNotLoaded) else {}


def main(questions: TextIO, answers: TextIO) -> None:
    """Answer until nobody asks."""
    for line in questions:
        json.dump([look_at(text) for text in json.loads(line)], answers)
        answers.write("\n")
        answers.flush()


if __name__ == "__main__":
    # What the project prints must not come between the answers.
    own_stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    set_up(sys.argv[1:])
    main(sys.stdin, own_stdout)
