"""The frames of a diagram: where receivers run, and which receivers run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.map import words

if TYPE_CHECKING:
    from deferred_signals.map.entries import MappedReceiver, ReceiverMap

__all__ = ["frame_of", "frames_of"]


def frames_of(found: ReceiverMap) -> dict[str, dict[str, MappedReceiver]]:
    """Return the receivers by their names, within the frames that they run in."""
    frames: dict[str, dict[str, MappedReceiver]] = {}
    for receiver in sorted(found.receivers, key=lambda item: (frame_of(item), item.name)):
        frames.setdefault(frame_of(receiver), {})[receiver.name] = receiver
    return frames


def frame_of(receiver: MappedReceiver) -> str:
    """Return the title of the frame that a receiver runs in."""
    deferral = receiver.deferral
    return "in the sender's process" if deferral is None else f"queue {words.queue(deferral)}"
