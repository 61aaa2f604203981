"""Draw the map as a flowchart of Mermaid's, which GitHub, GitLab and Sphinx can show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from deferred_signals.map import words
from deferred_signals.map.frames import frame_of, frames_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.map.entries import MappedReceiver, MappedSignal, ReceiverMap

__all__ = ["as_mermaid"]

#: What a label may hold as it is. Mermaid reads anything else by its number, and an underscore at the
#: edge of a word would make what follows bold.
_SPECIAL = re.compile(r"[^\w .,:()/-]|(?<![^\W_])_|_(?![^\W_])")


def as_mermaid(found: ReceiverMap) -> str:
    """Write a map as a flowchart: an arrow for each connection, a frame for each queue.

    The arrow is dotted where a receiver is deferred, and thick where it is durable.
    """
    shown = [signal for signal in found.signals if signal.receivers or signal.is_own]
    lines = ["flowchart LR"]
    for number, signal in enumerate(shown, start=1):
        lines.append(f'  s{number}(["{_label(signal.name)}"])')
    ids: dict[tuple[str, str], str] = {}
    for number, (frame, receivers) in enumerate(frames_of(found).items(), start=1):
        lines.append(f'  subgraph q{number} ["{_label(frame)}"]')
        for receiver in receivers.values():
            ids[frame, receiver.name] = own = f"r{len(ids) + 1}"
            lines.append(f'    {own}["{"<br>".join(_lines_of(receiver))}"]')
        lines.append("  end")
    for number, signal in enumerate(shown, start=1):
        lines += [f"  s{number} {arrow}" for arrow in _arrows(signal, ids)]
    return "\n".join(lines)


def _lines_of(receiver: MappedReceiver) -> Iterator[str]:
    yield _label(receiver.name)
    if receiver.deferral is not None:
        yield _label(words.retry(receiver.deferral))


def _arrows(signal: MappedSignal, ids: dict[tuple[str, str], str]) -> Iterator[str]:
    """Give the arrows from a signal: one to each receiver, which names the senders."""
    connections: dict[str, list[MappedReceiver]] = {}
    for receiver in signal.receivers:
        connections.setdefault(ids[frame_of(receiver), receiver.name], []).append(receiver)
    for own, listening in connections.items():
        senders = dict.fromkeys(item.sender for item in listening if item.sender is not None)
        label = f'|"{_label(", ".join(senders))}"|' if senders else ""
        yield f"{_arrow(listening[0])}{label} {own}"


def _arrow(receiver: MappedReceiver) -> str:
    if receiver.deferral is None:
        return "-->"
    return "==>" if receiver.deferral.durable else "-.->"


def _label(text: str) -> str:
    """Write a text as Mermaid reads it between quotes.

    >>> _label('shop.<lambda> "x" of __init__ and send_receipt')
    'shop.#60;lambda#62; #34;x#34; of #95;#95;init#95;#95; and send_receipt'
    """
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)
