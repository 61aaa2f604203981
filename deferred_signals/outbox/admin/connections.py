"""The map of receivers as the admin shows it: which part, and its lines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from deferred_signals.map import words
from deferred_signals.map.entries import ReceiverMap
from deferred_signals.map.places import in_short
from deferred_signals.map.selection import NothingSelected, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deferred_signals.map.entries import MappedReceiver, MappedSignal

__all__ = ["Chosen", "Connection", "connections_in"]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which part of the map the page shows.

    Attributes:
        q: a part of the name of a signal, a sender, a receiver or a queue, in upper or lower case.
        runs: only deferred receivers, or only others.
        everything: also what Django and packages connect by themselves.

    >>> Chosen.of({"q": " Order ", "runs": "nowhere"})
    Chosen(q='Order', runs='', everything=False)
    """

    q: str = ""
    runs: Literal["", "deferred", "sync"] = ""
    everything: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Chosen:
        """Read the parameters of an address; what is none of the possible values is left out."""
        runs = given.get("runs", "")
        return cls(
            q=str(given.get("q", "")).strip(),
            runs=runs if runs in {"deferred", "sync"} else "",
            everything=given.get("whose") == "all",
        )

    def part_of(self, found: ReceiverMap) -> ReceiverMap:
        """Return the part of a map: signals that are heard, and who hears them."""
        try:
            selected = Selection(runs=self.runs, project=not self.everything).of(found)
        except NothingSelected:  # nothing is connected at all
            return ReceiverMap(signals=())
        parts = (
            replace(
                signal,
                receivers=tuple(one for one in signal.receivers if self._has(signal, one)),
            )
            for signal in selected.signals
        )
        return ReceiverMap(signals=tuple(part for part in parts if part.receivers))

    def _has(self, signal: MappedSignal, receiver: MappedReceiver) -> bool:
        texts = [signal.name, words.sender(receiver), receiver.name]
        if receiver.deferral is not None:
            texts.append(words.queue(receiver.deferral))
        wanted = self.q.casefold()
        return any(wanted in text.casefold() for text in texts)


@dataclass(frozen=True)
class Connection:
    """A receiver that listens to a signal, as a line of a table.

    Attributes:
        signal: the signal's name.
        sender: its sender, or ``any sender``.
        receiver: the receiver's name.
        place: where the receiver is in the code.
        runs: where it runs.
        durable: whether its messages are rows of the outbox.
        queue: the queue of its messages; empty: it is not deferred.
        retry: how often it may run for one message.
        options: its other options.
        is_paused: no worker begins a message of it now.
    """

    signal: str
    sender: str
    receiver: str
    place: str
    runs: str
    durable: bool
    queue: str
    retry: str
    options: str
    is_paused: bool


def connections_in(found: ReceiverMap, paused: frozenset[str]) -> list[Connection]:
    """List the connections of a map.

    Arguments:
        found: the map.
        paused: the names of the receivers that are paused.
    """
    return [
        _connection(signal, receiver, is_paused=receiver.name in paused)
        for signal in found.signals
        for receiver in signal.receivers
    ]


def _connection(signal: MappedSignal, receiver: MappedReceiver, *, is_paused: bool) -> Connection:
    deferral = receiver.deferral
    return Connection(
        signal.name,
        words.sender(receiver),
        receiver.name,
        in_short(receiver.place),
        receiver.runs,
        durable=deferral is not None and deferral.durable,
        queue="" if deferral is None else words.queue(deferral),
        retry="" if deferral is None else words.retry(deferral),
        options="" if deferral is None else ", ".join(words.others(deferral)),
        is_paused=is_paused and deferral is not None,
    )
