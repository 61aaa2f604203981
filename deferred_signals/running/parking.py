"""Parking: messages for a receiver, or a version of one, that this worker does not know yet.

While a deploy is under way the web processes may be newer than the workers. Celery drops a
message whose task it does not know; here it is kept under one task that every worker knows,
``deferred_signals.parked``, and tried again until ``UNKNOWN_GRACE`` is over. (Publishing it anew
under its unknown name would be a hot loop: a worker looks the name up before it waits.)
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from celery import current_app

from deferred_signals.running.posting import post

if TYPE_CHECKING:
    from celery.app.task import Context

    from deferred_signals.message import Message

__all__ = ["PARKED", "Origin", "park"]

logger = logging.getLogger("deferred_signals")

PARKED = "deferred_signals.parked"

#: Seconds before each look whether the receiver is known by now; the last one repeats.
WAITS = (10.0, 30.0, 60.0)


@dataclass(frozen=True)
class Origin:
    """Where a message came from, and what it came with, so that its next copy is like it."""

    exchange: str
    routing_key: str
    priority: int | None
    time_limits: tuple[float | None, float | None]

    @classmethod
    def of_request(cls, request: Context, calls: int = 1) -> Origin:
        """The origin of what a task is running for: one message, or one of a chunk of them."""
        return cls._of(request.delivery_info or {}, request.timelimit, calls)

    @classmethod
    def of_message(cls, message: Any, calls: int) -> Origin:
        """The origin of a message of kombu's, which brought so many of ours."""
        priority = (message.properties or {}).get("priority")
        info = {**(message.delivery_info or {}), "priority": priority}
        return cls._of(info, message.headers.get("timelimit"), calls)

    @classmethod
    def _of(cls, info: Any, limits: Any, calls: int) -> Origin:
        hard, soft = limits or (None, None)
        limits_of_one = (hard and hard / calls, soft and soft / calls)
        key = info.get("routing_key") or ""
        return cls(info.get("exchange") or "", key, info.get("priority"), limits_of_one)

    def options(self) -> dict[str, Any]:
        """For ``send_task``."""
        hard, soft = self.time_limits
        options: dict[str, Any] = {"time_limit": hard, "soft_time_limit": soft}
        if self.priority is not None:
            options["priority"] = self.priority
        if self.exchange:
            options |= {"exchange": self.exchange, "routing_key": self.routing_key}
        elif self.routing_key:
            options["queue"] = self.routing_key
        return options


def park(
    message: Message, payload: str, origin: Origin, *, since: float | None = None, times: int = 0
) -> None:
    """Keep a message for later, on the queue it came from.

    Arguments:
        message: what is kept.
        payload: its text.
        origin: where it came from.
        since: when it was parked first, in seconds of the epoch; None: now.
        times: how often it was parked before.

    Raises:
        CannotPublish: the broker is not known to have it.
    """
    wait = WAITS[min(times, len(WAITS) - 1)]
    logger.warning(
        "Receiver %s is not known to this worker, or not in the message's version: "
        "message %s waits for %.0f s. Is its module imported in AppConfig.ready()?",
        message.receiver,
        message.id,
        wait,
        extra={"receiver": message.receiver, "message_id": message.id},
    )
    args = (payload, time.time() if since is None else since, times + 1)
    post(
        lambda producer: current_app.send_task(
            PARKED,
            args,
            task_id=message.id,
            producer=producer,
            countdown=wait,
            argsrepr=f"({message.receiver})",
            kwargsrepr="{}",
            ignore_result=True,
            **origin.options(),
        )
    )
