"""Lifecycle signals: what became of each message.

They are ordinary Django signals, sent with ``send_robust``, so that a listener that fails is
logged and changes nothing. ``message`` is the `deferred_signals.message.Message`; its values are
encoded and are none of a log's business. It is None in a ``receiver_failed`` that tells of a payload
which is no message.

| signal | when | process | arguments beside ``sender`` |
|---|---|---|---|
| ``message_published`` | the broker took the message; after the commit | the sender's | ``message`` |
| ``publish_failed`` | messages could not be published; after the commit | the sender's | ``messages``, ``exception`` |
| ``receiver_started`` | an attempt begins | the worker's | ``message`` |
| ``receiver_succeeded`` | the receiver returned | the worker's | ``message`` |
| ``receiver_retrying`` | an attempt failed, and the next one is published | the worker's | ``message``, ``exception``, ``wait`` |
| ``receiver_discarded`` | the message is dropped on purpose | the worker's | ``message``, ``reason`` |
| ``receiver_failed`` | the message is given up | the worker's | ``message``, ``exception``, ``reason`` |

``sender`` is the receiver's name, a string (None for ``publish_failed``, which may speak of
several). ``wait`` is in seconds. In the worker all of them are sent outside any transaction of
the library's; in eager mode they are sent in the process of the sender.
"""

from __future__ import annotations

from django.dispatch import Signal

__all__ = [
    "message_published",
    "publish_failed",
    "receiver_discarded",
    "receiver_failed",
    "receiver_retrying",
    "receiver_started",
    "receiver_succeeded",
]

message_published = Signal()
publish_failed = Signal()
receiver_started = Signal()
receiver_succeeded = Signal()
receiver_retrying = Signal()
receiver_discarded = Signal()
receiver_failed = Signal()
