"""A message: one call of one receiver, asked for by one ``send()``.

`Message` holds the sender and the kwargs as forms, as `deferred_signals.serialization` encodes
them. `deferred_signals.message.wire` writes a message as its payload and reads it again.
An `outgoing.Outgoing` is a message that is to be published. `description` says what may be told of a
message in logs, and `context` restores around a run what surrounded the send.
"""

from __future__ import annotations

from deferred_signals.message.message import LONGEST_NAME, WIRE_VERSION, Message, is_name

__all__ = ["LONGEST_NAME", "WIRE_VERSION", "Message", "is_name"]
