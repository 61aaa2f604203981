"""Lay the map of receivers out as a diagram: signals on the left, receivers in their frames on the right.

A template draws it as SVG, with the colours of Django's admin. All numbers are pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from deferred_signals.map import words
from deferred_signals.map.frames import frame_of, frames_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deferred_signals.map.entries import MappedReceiver, MappedSignal, ReceiverMap

__all__ = ["MOST", "Arrow", "Box", "Diagram", "Text", "diagram_of"]

#: Connections of a diagram that people can still follow.
MOST = 120

#: Widths of a character of the two sizes, of fonts in which all have the same.
_WIDE, _NARROW = 7.3, 6.1

#: Characters of a name that are shown.
_LONGEST = 46

_EDGE, _PADDING, _GAP, _LINE = 12, 10, 14, 17

#: The space between the columns, in which the arrows are.
_BETWEEN = 130


class Text(NamedTuple):
    """A line of text; the kind is ``name``, ``quiet`` or ``title``."""

    x: float
    y: float
    text: str
    kind: str


class Box(NamedTuple):
    """A rectangle with lines of text; the kind is ``signal``, ``receiver`` or ``frame``."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    texts: Sequence[Text]
    name: str


class Arrow(NamedTuple):
    """A curve, and its head; the kind is ``sync``, ``deferred`` or ``durable``."""

    curve: str
    head: str
    kind: str


@dataclass(frozen=True)
class Diagram:
    """What is to be drawn.

    Attributes:
        width: of the whole.
        height: the same.
        boxes: frames first, so that what is in them is drawn upon them.
        arrows: one for each connection.
        signals: how many signals there are.
        receivers: how many receivers.
    """

    width: float
    height: float
    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    signals: int
    receivers: int


def diagram_of(found: ReceiverMap) -> Diagram | None:
    """Lay a map out; None: there is nothing, or too much, to draw.

    Arguments:
        found: the map; signals that nobody hears are left out.
    """
    heard = [signal for signal in found.signals if signal.receivers]
    if not heard or len(found.receivers) > MOST:
        return None
    signals, starts, left = _signals(heard)
    frames, receivers, ends, right = _frames(found, left + _BETWEEN)
    arrows = [
        _arrow(
            starts[signal.name, receiver.sender], ends[frame_of(receiver), receiver.name], receiver
        )
        for signal in heard
        for receiver in signal.receivers
    ]
    boxes = [*frames, *signals, *receivers]
    bottom = max(box.y + box.height for box in boxes)
    return Diagram(
        right + _EDGE,
        bottom + _EDGE,
        boxes,
        list(dict.fromkeys(arrows)),
        len(signals),
        len(receivers),
    )


class _Point(NamedTuple):
    x: float
    y: float


def _signals(
    heard: Sequence[MappedSignal],
) -> tuple[list[Box], dict[tuple[str, str | None], _Point], float]:
    """Lay out the signals, one below the other, with a line for each sender.

    Return the boxes, where the arrows of each signal and sender begin, and the right edge.
    """
    lines = {signal.name: list(_lines(signal.name)) for signal in heard}
    senders = {
        signal.name: list(dict.fromkeys(one.sender for one in signal.receivers)) for signal in heard
    }
    for signal in heard:
        lines[signal.name] += [
            (f"from {_cut(one or words.ALL)}", "quiet") for one in senders[signal.name]
        ]
    width = _width(text for some in lines.values() for text in some)
    boxes, starts, top = [], {}, float(_EDGE)
    for signal in heard:
        box = _box(_EDGE, top, width, "signal", lines[signal.name], signal.name)
        of_senders = box.texts[-len(senders[signal.name]) :]
        for sender, text in zip(senders[signal.name], of_senders, strict=True):
            starts[signal.name, sender] = _Point(box.x + box.width, text.y - 4)
        boxes.append(box)
        top += box.height + _GAP
    return boxes, starts, _EDGE + width


def _frames(
    found: ReceiverMap, x: float
) -> tuple[list[Box], list[Box], dict[tuple[str, str], _Point], float]:
    """Lay out the receivers, in the frames that they run in.

    Return the frames, the receivers, where the arrows to each receiver end, and the right edge.
    """
    frames = frames_of(found)
    # Arrows cross less if receivers are in the order of the signals.
    order = {name: place for place, name in enumerate(one.name for one in found.receivers)}
    lines = {
        (title, name): list(_receiver(receiver))
        for title, receivers in frames.items()
        for name, receiver in sorted(receivers.items(), key=lambda item: order[item[0]])
    }
    titles = [(title, "title") for title in frames]
    width = max(_width(text for some in lines.values() for text in some), _width(titles))
    boxes, inner, ends, top = [], [], {}, float(_EDGE)
    for title in frames:
        y = top + _LINE + _PADDING
        for (own, name), some in lines.items():
            if own == title:
                box = _box(x + _PADDING, y, width, "receiver", some, name)
                ends[title, name] = _Point(box.x, box.y + box.height / 2)
                inner.append(box)
                y += box.height + _PADDING
        text = Text(x + _PADDING, top + _LINE, _cut(title), "title")
        boxes.append(Box(x, top, width + 2 * _PADDING, y - top, "frame", [text], title))
        top = y + _GAP
    return boxes, inner, ends, x + width + 2 * _PADDING


def _receiver(receiver: MappedReceiver) -> Iterator[tuple[str, str]]:
    yield from _lines(receiver.name)
    if receiver.deferral is not None:
        durable = ", durable" if receiver.deferral.durable else ""
        yield _cut(f"{words.retry(receiver.deferral)}{durable}"), "quiet"


def _lines(name: str) -> Iterator[tuple[str, str]]:
    """Write a dotted path in two lines, the last name by itself."""
    module, _, last = name.rpartition(".")
    if module and not name.endswith(">"):
        yield _cut(module), "quiet"
        yield _cut(last), "name"
    else:
        yield _cut(name), "name"


def _cut(text: str) -> str:
    """Leave out the beginning of a long text: the end of a path says more."""
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def _width(texts: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> float:
    wide = [len(text) * (_NARROW if kind == "quiet" else _WIDE) for text, kind in texts]
    return round(max(wide), 1) + 2 * _PADDING


def _box(
    x: float, y: float, width: float, kind: str, lines: Sequence[tuple[str, str]], name: str
) -> Box:
    texts = [
        Text(x + _PADDING, y + _PADDING + _LINE * number - 4, text, style)
        for number, (text, style) in enumerate(lines, start=1)
    ]
    return Box(x, y, width, len(lines) * _LINE + 2 * _PADDING - 4, kind, texts, name)


def _arrow(start: _Point, end: _Point, receiver: MappedReceiver) -> Arrow:
    tip, middle = end.x - 1, (start.x + end.x) / 2
    deferral = receiver.deferral
    kind = "sync" if deferral is None else "durable" if deferral.durable else "deferred"
    return Arrow(
        f"M{start.x:g} {start.y:g}C{middle:g} {start.y:g} {middle:g} {end.y:g} {tip - 8:g} {end.y:g}",
        f"{tip:g},{end.y:g} {tip - 9:g},{end.y - 4.5:g} {tip - 9:g},{end.y + 4.5:g}",
        kind,
    )
