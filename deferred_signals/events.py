"""Lifecycle signals: what became of each message.

They are ordinary Django signals, sent with ``send_robust``: an exception of a handler is logged, and
changes nothing. ``sender`` is the receiver's name, a string; for ``publish_failed``, which may report
messages of several receivers, it is None.

| signal | when | in which process | arguments beside ``sender`` |
|---|---|---|---|
| ``message_deferred`` | in ``send()``, so inside the sender's transaction: the call is encoded, and waits for the commit from now on | the sender's | ``message``, ``durable`` |
| ``message_kept`` | after that commit, when it goes on while the message waits in memory for a broker that is slow or away | the sender's | ``message`` |
| ``message_published`` | after that commit, when the broker has the message | the sender's | ``message``, ``took``, ``was_kept`` |
| ``publish_failed`` | after that commit, when messages are not known to be with the broker | the sender's | ``messages``, ``exception``, ``was_kept`` |
| ``publish_failed`` | in ``send()``, so inside the sender's transaction, when a call could not be deferred | the sender's | ``messages``, which is empty, ``exception``, ``was_kept``, which is False |
| ``receiver_started`` | an attempt begins: context carriers are restored, and the rows that the message refers to were asked for | the worker's | ``message``, ``waited`` |
| ``receiver_ran`` | the attempt is over, as the receiver has returned or raised, or its rows could not be fetched: context carriers are still in force, and nothing is settled yet | the worker's | ``message``, ``duration``, ``outcome``, ``exception`` |
| ``receiver_succeeded`` | the attempt has succeeded, and is settled | the worker's | ``message`` |
| ``receiver_retrying`` | an attempt has failed, and the broker, or the outbox, has the next one | the worker's | ``message``, ``exception``, ``wait`` |
| ``receiver_discarded`` | the message is dropped on purpose | the worker's | ``message``, ``reason`` |
| ``receiver_failed`` | the message is given up; Celery has already handled the failure, where Celery is told of it | the worker's | ``message``, ``exception``, ``reason`` |

| argument | what it is |
|---|---|
| ``message`` | a `deferred_signals.message.Message`; None in a ``receiver_failed`` for a payload that is no message |
| ``messages`` | a tuple of them |
| ``durable`` | whether the message becomes a row of the outbox |
| ``took`` | seconds from the commit until the broker had the message |
| ``was_kept`` | whether ``message_kept`` was sent for the message, or for each of the messages |
| ``waited`` | seconds since ``send()`` was called, by the clocks of two machines |
| ``duration`` | seconds that the attempt took: context carriers, rows and the receiver |
| ``outcome`` | what follows from the run: ``succeeded``, ``retrying``, ``discarded``, ``failed``, or ``lost``, if another process runs the durable message; a broker or a database that refuses may yet change it |
| ``wait`` | seconds until the next attempt |
| ``reason`` | a text: why the message was dropped or given up |
| ``exception`` of ``receiver_ran`` | what the attempt failed with; None if it did not |
| ``exception`` of ``receiver_retrying`` and ``receiver_failed`` | what the attempt failed with |
| ``exception`` of ``publish_failed`` after the commit | a `PublishError`, whose cause is the error of the broker or its driver; if it says ``is_kept``, the messages are in the outbox, and will be published later |
| ``exception`` of ``publish_failed`` in ``send()`` | the library's error that says why, like `SerializationError`; or a `PublishError`, whose cause is an unexpected error |

The values of a message are encoded. `deferred_signals.decoded` gives them as the receiver would get
them, `deferred_signals.send_again` publishes the message anew, and ``message.describe()`` names the
rows that it refers to, without a value, for logs.

A handler of ``message_deferred`` runs inside the sender's transaction, whose rollback takes the message
back without a signal. What it does to the database is part of that transaction, errors included.

``message_published`` and ``publish_failed`` may come after the commit has returned, from another thread
of the process: if the broker was slow or away. The handler then runs in a copy of the context of the
send, and the connections to the database that it opens are closed afterwards. ``message_kept`` comes
from the thread of the commit, so it may be sent just after the one that ends the wait.

Each attempt that starts ends with one of the last four signals. If the process of an attempt dies,
the worker's parent process sends that signal. If the whole worker dies, nobody sends one, and the
broker redelivers the message. An attempt may also end without having started: for example, if no
process of the project knows the receiver.

On a worker, the library has no transaction open while a handler runs, and what the receiver wrote is
committed, unless it left a transaction of its own open. In eager mode all signals are sent in the
sender's process, where a transaction of the sender, or of a test, may be open.

A message that a handler of one of the first four signals defers is published like any
other, but no signal and no log reports it. Otherwise a handler that saves a row could be told of that
row's message, save another row, and so on without end.
"""

from __future__ import annotations

import os
import threading

from django.dispatch import Signal

__all__ = [
    "message_deferred",
    "message_kept",
    "message_published",
    "publish_failed",
    "receiver_discarded",
    "receiver_failed",
    "receiver_ran",
    "receiver_retrying",
    "receiver_started",
    "receiver_succeeded",
]


def _signal() -> Signal:
    """Make a signal whose lock can be taken again by the thread that holds it.

    Django's own lock cannot. A handler of a Unix signal may interrupt a thread that holds the lock, and
    send: it would wait for ever for the code that it interrupted.
    """
    signal = Signal()
    _give_lock(signal)
    return signal


def _give_lock(signal: Signal) -> None:
    # The attribute is not documented. Django only enters and leaves it, as any lock can be.
    signal.lock = threading.RLock()  # type: ignore[assignment]  # see above


message_deferred = _signal()
message_kept = _signal()
message_published = _signal()
publish_failed = _signal()
receiver_started = _signal()
receiver_ran = _signal()
receiver_succeeded = _signal()
receiver_retrying = _signal()
receiver_discarded = _signal()
receiver_failed = _signal()


def _give_new_locks() -> None:
    for name in __all__:
        _give_lock(globals()[name])


# In a forked process, a lock that another thread held is never released.
os.register_at_fork(after_in_child=_give_new_locks)
