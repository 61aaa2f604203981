"""A receiver that sends, and then publishes the same messages by hand, for a test to compare."""

from typing import Any

from celery import current_app
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import events, receiver
from deferred_signals.message import Message
from deferred_signals.message.wire import pack

#: A queue that no worker listens to.
QUEUE = "relayed"

relay = Signal()
relayed = Signal()


def connect() -> None:
    """Do nothing: the receivers are connected where they are written."""


@receiver(relay, deferred=True, name="tests.relay")
def send_on(sender: object, **kwargs: Any) -> None:
    """Send thrice in one transaction, then do by hand what that published."""
    published: list[Message] = []

    def note(message: Message, **_: object) -> None:
        published.append(message)

    events.message_published.connect(note)
    with transaction.atomic():
        for number in (1, 2, 3):
            relayed.send(None, number=number)
    events.message_published.disconnect(note)
    task: Any = current_app.tasks["tests.relayed"]
    for message in published:
        task.apply_async(
            (pack(message),),
            task_id=message.id,
            argsrepr="(number)",
            kwargsrepr="{}",
            queue=QUEUE,
        )


@receiver(relayed, deferred=True, name="tests.relayed", queue=QUEUE)
def never_runs(sender: object, **kwargs: Any) -> None:
    """Never run: no worker reads the queue."""
