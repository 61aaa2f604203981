"""Lifecycle signals: what became of each message.

They are ordinary Django signals, sent with ``send_robust``: a handler that fails is logged, and
changes nothing. ``sender`` is the receiver's name, a string (None for ``publish_failed``, which may
speak of several).

| signal | when | in whose process | arguments beside ``sender`` |
|---|---|---|---|
| ``message_published`` | after the commit of the send's database, when the broker has the message | the sender's | ``message`` |
| ``publish_failed`` | after the same commit, when messages are not known to be with the broker | the sender's | ``messages``, ``exception`` |
| ``publish_failed`` | in ``send()``, so inside the sender's transaction, when a call could not be deferred | the sender's | ``messages``, which is empty, ``exception`` |
| ``receiver_started`` | an attempt begins: before rows are fetched, with the context carriers in force | the worker's | ``message``, ``waited`` |
| ``receiver_succeeded`` | the receiver has returned | the worker's | ``message`` |
| ``receiver_retrying`` | an attempt has failed, and the broker has the next one | the worker's | ``message``, ``exception``, ``wait`` |
| ``receiver_discarded`` | the message is dropped on purpose | the worker's | ``message``, ``reason`` |
| ``receiver_failed`` | the message is given up, and Celery has handled the failure, where it is told of it | the worker's | ``message``, ``exception``, ``reason`` |

Each attempt that starts ends in one of the last four. If its process dies, the worker's parent
tells which; if the whole worker dies, nobody does, and the broker gives the message out again. An
attempt may also end without a start: as no process of the project's knows its receiver, say.

On a worker no transaction of the library's is open in a handler, and what a receiver wrote is
committed, unless it opened a transaction that it left open. In eager mode all are sent in the
sender's process, where transactions of the sender's, or of a test, may be open.

``wait`` is in seconds, ``waited`` too: how long ago `send()` was called, by the clocks of two
machines. ``exception`` of ``publish_failed`` is a `PublishError`, whose cause is the broker's or its
driver's error. Where a call could not be deferred, it is the library's error that says why, as
`SerializationError`, or a `PublishError` whose cause is what nobody expected.

What a handler of ``message_published`` or ``publish_failed`` defers is published like all else, and no
signal and no log tells of it: else a handler that saves a row could be told of that row's message, save
another, and so without end.

``message`` is a `deferred_signals.message.Message`, and ``messages`` a tuple of them. Its values are
encoded: `deferred_signals.decoded` gives them as the receiver would get them,
`deferred_signals.send_again` sends the message anew, and ``message.describe()`` says for logs which
rows it refers to, without a value. It is None in a ``receiver_failed`` that tells of a payload which
is no message.
"""

from __future__ import annotations

import os
import threading

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


def _signal() -> Signal:
    """Make a signal whose lock the thread that holds it can take again.

    Django's cannot be: a handler of a Unix signal that sends would wait for ever for the code that
    it interrupts, where this was looking for the listeners of an event.
    """
    signal = Signal()
    _give_lock(signal)
    return signal


def _give_lock(signal: Signal) -> None:
    signal.lock = threading.RLock()  # type: ignore[assignment]  # it is used as any lock is


message_published = _signal()
publish_failed = _signal()
receiver_started = _signal()
receiver_succeeded = _signal()
receiver_retrying = _signal()
receiver_discarded = _signal()
receiver_failed = _signal()


def _give_new_locks() -> None:
    for name in __all__:
        _give_lock(globals()[name])


# A lock that another thread held when the process was forked is held for ever.
os.register_at_fork(after_in_child=_give_new_locks)
