"""Write the map as a table: a connection a line where lines may be long, else in blocks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from deferred_signals.map import words
from deferred_signals.map.places import in_short
from deferred_signals.support.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deferred_signals.map.entries import MappedReceiver, MappedSignal, ReceiverMap
    from deferred_signals.map.live import Live

__all__ = ["as_table", "live_as_table"]

_HEAD = ("SIGNAL", "SENDER", "RECEIVER", "RUNS", "QUEUE", "RETRY", "DURABLE", "WHERE", "OPTIONS")

#: Columns that the names of receivers begin after, in blocks.
_INDENT = 14


def as_table(
    found: ReceiverMap, width: int | None = None, heading: Callable[[str], str] = str
) -> str:
    """Write a map for a terminal or a pipe.

    Arguments:
        found: the map.
        width: columns of the terminal; None where lines may be of any length.
        heading: marks a heading as a terminal shows it.
    """
    heard = [signal for signal in found.signals if signal.receivers]
    head, *rows = _aligned(
        [_HEAD, *(_row(signal, it) for signal in heard for it in signal.receivers)]
    )
    blocks = ["\n".join([heading(head), *rows])] if heard else []
    if width is not None and max(map(len, [head, *rows])) > width:
        blocks = ["\n".join(_block(signal, width, heading)) for signal in heard]
    blocks += ["\n".join(_unheard(found, heading)), _count(found)]
    return "\n\n".join(block for block in blocks if block)


def live_as_table(live: Live) -> str:
    """Write which workers take from which queues."""
    answered = ", ".join(map(shown, live.workers)) or "none"
    lines = [f"Workers that answered within {live.seconds:g} s: {answered}"]
    if live.queues:
        rows = [("QUEUE", "RECEIVERS", "TAKEN BY")]
        for queue in live.queues:
            takers = ", ".join(map(shown, queue.workers)) or "none of them"
            rows.append((queue.name, str(len(queue.receivers)), takers if live.workers else "?"))
        lines += _aligned(rows)
    if live.undecided:
        lines.append(f"Not known, since code chooses the queue: {', '.join(live.undecided)}")
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align the cells of rows in columns, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _row(signal: MappedSignal, receiver: MappedReceiver) -> tuple[str, ...]:
    deferral, place = receiver.deferral, in_short(receiver.place)
    known = (signal.name, words.sender(receiver), receiver.name, receiver.runs)
    if deferral is None:
        return (*known, "-", "-", "-", place, "")
    return (
        *known,
        words.queue(deferral),
        words.retry(deferral),
        "durable" if deferral.durable else "-",
        place,
        " ".join(words.others(deferral)),
    )


def _block(signal: MappedSignal, width: int, heading: Callable[[str], str]) -> Iterator[str]:
    """Write the receivers of one signal, by their senders."""
    yield heading(signal.name)
    before = None
    for receiver in signal.receivers:
        if words.sender(receiver) != before:
            before = words.sender(receiver)
            yield f"  {before}"
        yield f"    {receiver.runs:<{_INDENT - 4}}{receiver.name}"
        yield from textwrap.wrap(
            ", ".join(_details(receiver)),
            width,
            initial_indent=" " * _INDENT,
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _details(receiver: MappedReceiver) -> Iterator[str]:
    deferral = receiver.deferral
    if deferral is not None:
        yield f"queue {words.queue(deferral)}"
        yield words.retry(deferral)
        if deferral.durable:
            yield "durable"
        yield from words.others(deferral)
    if receiver.place is not None:
        yield in_short(receiver.place)


def _unheard(found: ReceiverMap, heading: Callable[[str], str]) -> Iterator[str]:
    unheard = [signal for signal in found.signals if not signal.receivers]
    own = [signal for signal in unheard if signal.is_own]
    others = len(unheard) - len(own)
    if unheard:
        yield heading("Nobody hears:")
    if own:
        rows = [(signal.name, in_short(signal.place)) for signal in own]
        yield from (f"  {line}" for line in _aligned(rows))
    if others:
        yield f"  {'and ' if own else ''}{others} of Django's and of packages (--json lists them)"


def _count(found: ReceiverMap) -> str:
    receivers = found.receivers
    deferrals = [item.deferral for item in receivers if item.deferral is not None]
    durable = sum(deferral.durable for deferral in deferrals)
    return (
        f"{len(receivers)} connection{'' if len(receivers) == 1 else 's'}: {len(deferrals)} deferred"
        f"{f' ({durable} durable)' if durable else ''}, {len(receivers) - len(deferrals)} in the "
        f"sender's process."
    )
