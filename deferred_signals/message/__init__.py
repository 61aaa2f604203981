"""A message: one receiver, one send; its payload, what is told of it, and how it is published."""

from __future__ import annotations

from deferred_signals.message.message import LONGEST_NAME, WIRE_VERSION, Message, is_name

__all__ = ["LONGEST_NAME", "WIRE_VERSION", "Message", "is_name"]
