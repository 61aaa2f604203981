"""Parcels: which messages of a batch travel together, as their receivers' ``chunk_size`` allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from deferred_signals import conf, registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message
    from deferred_signals.sending.outgoing import Outgoing

__all__ = ["Parcel", "parcels"]

#: Options that are meant for one call: a chunk gets the time of all its calls.
LIMITS = ("time_limit", "soft_time_limit")


@dataclass(frozen=True)
class Parcel:
    """What becomes one message of Celery's: a message of ours, or a chunk of them.

    Attributes:
        name: the task's, which is the receiver's.
        task_id: the message's id; a chunk has one of its own.
        wires: the task's arguments: each message as it travels.
        messages: the same messages.
        options: of ``apply_async``: queue, priority, countdown and the like.
    """

    name: str
    task_id: str
    wires: tuple[str, ...]
    messages: tuple[Message, ...]
    options: dict[str, Any]


def parcels(batch: Sequence[Outgoing]) -> list[Parcel]:
    """The parcels of a batch, in the order of their first messages.

    Messages of one receiver that are published with equal options travel together, in their order:
    up to its ``chunk_size`` of them, and up to ``MAX_MESSAGE_BYTES`` in all.
    """
    most_bytes = conf.current().MAX_MESSAGE_BYTES
    chunks: list[list[Outgoing]] = []
    lanes: dict[str, list[_Lane]] = {}
    for outgoing in batch:
        name = outgoing.message.receiver
        receiver = registry.find(name)
        if receiver is None or receiver.options.chunk_size == 1:
            chunks.append([outgoing])
            continue
        for lane in lanes.setdefault(name, []):
            if lane.options == outgoing.options:
                break
        else:
            lane = _Lane(outgoing.options)
            lanes[name].append(lane)
        size = len(outgoing.wire)
        if not 0 < len(lane.chunk) < receiver.options.chunk_size or lane.size + size > most_bytes:
            lane.chunk, lane.size = [], 0
            chunks.append(lane.chunk)
        lane.chunk.append(outgoing)
        lane.size += size
    return [_parcel(chunk) for chunk in chunks]


@dataclass
class _Lane:
    """The chunk that is being filled with messages of one receiver and equal options."""

    options: dict[str, Any]
    chunk: list[Outgoing] = field(default_factory=list)
    size: int = 0


def _parcel(chunk: list[Outgoing]) -> Parcel:
    first = chunk[0]
    name, options = first.message.receiver, first.options
    if len(chunk) == 1:
        return Parcel(name, first.message.id, (first.wire,), (first.message,), options)
    longer = {limit: options[limit] * len(chunk) for limit in LIMITS if limit in options}
    return Parcel(
        name,
        str(uuid4()),
        tuple(outgoing.wire for outgoing in chunk),
        tuple(outgoing.message for outgoing in chunk),
        {**options, **longer},
    )
