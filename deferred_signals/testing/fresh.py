"""A program that looks at messages as a worker does: it loads what a worker loads, and no more.

`deferred_signals.testing.strict` starts it as ``python -m deferred_signals.testing.fresh [module of
the Celery app]``. Each line on stdin is a list of payloads; the program answers with a line on
stdout. It runs no receiver and asks no database, as it could not see the rows of a test's
transaction.
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

    from deferred_signals.receivers.receiver import Receiver

__all__: list[str] = []


def set_up(apps: list[str]) -> None:
    """Load what a worker loads: the Celery app, Django's apps, and the modules of tasks."""
    for app in apps:
        import_module(app)
    django.setup()
    load_tasks()


def look_at(text: str) -> dict[str, str]:
    """Tell why this process could not run a message, or which sender it does not know."""
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
    """Answer each line of questions, until there are no more."""
    for line in questions:
        json.dump([look_at(text) for text in json.loads(line)], answers)
        answers.write("\n")
        answers.flush()


if __name__ == "__main__":
    # Only answers go to stdout; what the project prints goes to stderr.
    own_stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    set_up(sys.argv[1:])
    main(sys.stdin, own_stdout)
