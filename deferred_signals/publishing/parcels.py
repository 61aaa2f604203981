"""Put messages of a batch together into parcels, as their receivers' ``chunk_size`` allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from deferred_signals import conf
from deferred_signals.message.description import describe_kwargs
from deferred_signals.publishing.celery_tasks import argsrepr
from deferred_signals.receivers import registry
from deferred_signals.support.ids import new_id
from deferred_signals.support.json import size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deferred_signals.message.outgoing import Outgoing

__all__ = ["Parcel", "Postable", "parcels", "with_longer_limits"]

#: Options that are meant for one call: a chunk gets the sum for all its calls.
LIMITS = ("time_limit", "soft_time_limit")


class Postable(Protocol):
    """What becomes one message of Celery's.

    Attributes:
        name: the task's name, which is the receiver's.
        task_id: the id of Celery's message.
        options: of ``apply_async``: queue, priority, countdown and the like.
        payloads: the task's arguments.
        argsrepr: describes the arguments for logs and monitors.
        headers: headers that the message gets last, whatever Celery or anybody else puts there.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - all are told of above

    @property
    def task_id(self) -> str: ...  # noqa: D102

    @property
    def options(self) -> dict[str, Any]: ...  # noqa: D102

    @property
    def payloads(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def argsrepr(self) -> str: ...  # noqa: D102

    @property
    def headers(self) -> Mapping[str, Any]: ...  # noqa: D102


#: The headers of parcels that have none of their own.
NO_HEADERS: Mapping[str, Any] = MappingProxyType({})


class Parcel(NamedTuple):
    """What becomes one message of Celery's: a message of ours, or a chunk of them.

    Attributes:
        name: the task's name, which is the receiver's.
        task_id: the message's id; a chunk has an id of its own.
        outgoings: the messages, all for one receiver.
        options: of ``apply_async``: queue, priority, countdown and the like.
        headers: those that the message gets last; it has none.
    """

    name: str
    task_id: str
    outgoings: tuple[Outgoing, ...]
    options: dict[str, Any]
    headers: Mapping[str, Any] = NO_HEADERS

    @property
    def payloads(self) -> tuple[str, ...]:
        """Return the payloads of the messages: the task's arguments."""
        return tuple([outgoing.payload for outgoing in self.outgoings])

    @property
    def argsrepr(self) -> str:
        """Describe the kwargs of each message, for logs and monitors."""
        return argsrepr([_description_of(outgoing) for outgoing in self.outgoings])


def parcels(batch: Sequence[Outgoing]) -> list[Parcel]:
    """Put the messages of a batch into parcels, in the order of each parcel's first message.

    Messages for one receiver that are published with equal options travel together, in their order:
    up to the receiver's ``chunk_size`` of them, and up to ``MAX_MESSAGE_BYTES`` in all.
    """
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
            lane = _Lane(outgoing.options, conf.current().MAX_MESSAGE_BYTES)
            lanes[name].append(lane)
        size = size_of(outgoing.payload)
        if (
            not 0 < len(lane.chunk) < receiver.options.chunk_size
            or lane.size + size > lane.most_bytes
        ):
            lane.chunk, lane.size = [], 0
            chunks.append(lane.chunk)
        lane.chunk.append(outgoing)
        lane.size += size
    return [_parcel(chunk) for chunk in chunks]


@dataclass
class _Lane:
    """The chunk that is being filled with messages for one receiver and of equal options."""

    options: dict[str, Any]
    most_bytes: int
    chunk: list[Outgoing] = field(default_factory=list)
    size: int = 0


def _parcel(chunk: list[Outgoing]) -> Parcel:
    first = chunk[0]
    if len(chunk) == 1:
        return Parcel(first.message.receiver, first.message.id, (first,), first.options)
    options = with_longer_limits(first.options, len(chunk))
    return Parcel(first.message.receiver, new_id(), tuple(chunk), options)


def with_longer_limits(options: dict[str, Any], calls: int) -> dict[str, Any]:
    """Return the options of a chunk: its time limits are the sum of its calls' own."""
    return options | {name: options[name] * calls for name in LIMITS if name in options}


#: How the tags begin of everything that refers to rows: ``$ref``, ``$row``, ``$rows``.
MARK = '"$r'


def _description_of(outgoing: Outgoing) -> str:
    message = outgoing.message
    if MARK in outgoing.payload:
        return describe_kwargs(message.kwargs, message.sender)
    return _names(tuple(message.kwargs))


@lru_cache(maxsize=1024)
def _names(names: tuple[str, ...]) -> str:
    """Describe kwargs that refer to no rows: alike for all messages of a receiver."""
    return describe_kwargs(dict.fromkeys(names))
