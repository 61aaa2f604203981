"""Parcels: which messages of a batch travel together, as their receivers' ``chunk_size`` allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from deferred_signals import conf
from deferred_signals.receivers import registry
from deferred_signals.support.ids import new_id
from deferred_signals.support.json import size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["Parcel", "parcels"]

#: Options that are meant for one call: a chunk gets the time of all its calls.
LIMITS = ("time_limit", "soft_time_limit")


class Parcel(NamedTuple):
    """What becomes one message of Celery's: a message of ours, or a chunk of them.

    Attributes:
        name: the task's, which is the receiver's.
        task_id: the message's id; a chunk has one of its own.
        payloads: the task's arguments: each message as it travels.
        ids: of the same messages.
        descriptions: what is told of the kwargs of each.
        options: of ``apply_async``: queue, priority, countdown and the like.
    """

    name: str
    task_id: str
    payloads: tuple[str, ...]
    ids: tuple[str, ...]
    descriptions: tuple[str, ...]
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
        name = outgoing.receiver
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
        size = size_of(outgoing.wire)
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
    if len(chunk) == 1:
        id_, name, _using, shown, wire, options, *_ = first
        return Parcel(name, id_, (wire,), (id_,), (shown,), options)
    longer = {
        limit: first.options[limit] * len(chunk) for limit in LIMITS if limit in first.options
    }
    return Parcel(
        first.receiver,
        new_id(),
        tuple(outgoing.wire for outgoing in chunk),
        tuple(outgoing.id for outgoing in chunk),
        tuple(outgoing.shown for outgoing in chunk),
        {**first.options, **longer},
    )
