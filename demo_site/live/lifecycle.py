"""Write the timeline of each message, by handlers of the library's lifecycle signals."""

import os
import threading
import time
from typing import Any

from celery.signals import before_task_publish, worker_init
from django.dispatch import receiver

from deferred_signals import events
from deferred_signals.message import Message
from deferred_signals.outbox import show
from demo_site.shop.timeline import AboutOrder, Moment, process, write


def _write(message: Message, kind: str, what: str, *, is_run: bool = True) -> None:
    write(
        Moment(
            at=time.time(),
            process=process(),
            pid=os.getpid(),
            what=what,
            kind=kind,
            order=message.context.get(AboutOrder.key),
            receiver=message.receiver.rpartition(".")[2],
            message=message.id,
            attempt=message.attempt if is_run else None,
        )
    )


@receiver(events.message_deferred)
def deferred(message: Message, *, durable: bool, **_kwargs: Any) -> None:
    """Tell that a call waits for the commit."""
    _write(message, "defer", "as a row" if durable else "in memory", is_run=False)


@receiver(events.message_kept)
def kept(message: Message, **_kwargs: Any) -> None:
    """Tell that the commit goes on, while the message waits for the broker."""
    _write(message, "kept", "in memory, until the broker is back", is_run=False)


@receiver(events.message_published)
def published(message: Message, **_kwargs: Any) -> None:
    """Tell that the broker has a message, or the wake-up of a durable one."""
    _write(message, "publish", "is with the broker", is_run=False)


@receiver(events.publish_failed)
def not_published(messages: tuple[Message, ...], exception: Exception, **_kwargs: Any) -> None:
    """Tell that messages are lost, or are kept in the outbox."""
    is_kept = getattr(exception, "is_kept", False)
    for message in messages:
        what = "to be published later" if is_kept else "not known to be published"
        _write(message, "outbox" if is_kept else "lost", what, is_run=False)


@receiver(events.receiver_started)
def started(message: Message, waited: float, **_kwargs: Any) -> None:
    """Tell that an attempt begins."""
    _write(message, "start", f"begins, after {waited:.1f} s")


@receiver(events.receiver_succeeded)
def succeeded(message: Message, **_kwargs: Any) -> None:
    """Tell that the receiver has returned."""
    _write(message, "success", "returned")


@receiver(events.receiver_retrying)
def retrying(message: Message, exception: Exception, wait: float, **_kwargs: Any) -> None:
    """Tell that an attempt failed, and that there is a next one."""
    _write(message, "retry", f"{type(exception).__name__}: next attempt in {wait:.1f} s")


@receiver(events.receiver_discarded)
def discarded(message: Message, reason: str, **_kwargs: Any) -> None:
    """Tell that the message was dropped on purpose."""
    _write(message, "discard", reason)


@receiver(events.receiver_failed)
def failed(message: Message | None, exception: Exception, **_kwargs: Any) -> None:
    """Tell that the message is given up, and stays in the outbox as a dead letter."""
    if message is not None:
        _write(message, "dead", f"{type(exception).__name__}: given up")


@worker_init.connect
def watch_the_relay(**_kwargs: Any) -> None:
    """Tell what the relay does: it is a thread of the worker's first process."""
    before_task_publish.connect(woken_up, weak=False)


#: When the relay woke a message up, by their ids.
_woken: dict[str, float] = {}


def woken_up(sender: str, headers: dict[str, Any], **_kwargs: Any) -> None:
    """Tell that the relay wakes a receiver up, which sends no signal of the library's own."""
    if threading.current_thread().name != "deferred_signals.relay":
        return
    # Before it publishes what was lost, the relay has Celery make a message to learn its route.
    before, _woken[headers["id"]] = _woken.get(headers["id"], 0.0), time.monotonic()
    if time.monotonic() - before > 1:
        found = show(headers["id"])
        write(
            Moment(
                at=time.time(),
                process=process(),
                pid=os.getpid(),
                what="is due: the relay wakes it up",
                kind="relay",
                order=order_of(found.row.payload) if found else None,
                receiver=sender.rpartition(".")[2],
                message=headers["id"],
            )
        )


def order_of(payload: str) -> str | None:
    """Return the order that a row of the outbox is about."""
    return Message.from_wire(payload).context.get(AboutOrder.key)
