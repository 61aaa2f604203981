"""The transaction of an ``atomic`` receiver: what it wrote is committed with the end of its message."""

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING

from django.db import connections, transaction

from deferred_signals.support.records import about
from deferred_signals.support.telling import log

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_in_transaction"]


def _call(function: Callable[[], None]) -> None:
    function()


def run_in_transaction(
    receiver: str,
    id_: str,
    using: str,
    work: Callable[[], None],
    around: Callable[[Callable[[], None]], None] = _call,
) -> None:
    """Run a receiver, and end its message, in one transaction.

    With the COMMIT the run has succeeded, so the error of an ``on_commit()`` hook is only logged.

    Arguments:
        receiver: the receiver's name.
        id_: the message's.
        using: alias of the message's database.
        work: calls the receiver, and ends the message.
        around: calls the function that it is given, and the hooks which that function leaves uncalled,
            since another block is open.

    Raises:
        Exception: whatever ``work`` raises, or the COMMIT. Nothing of what ``work`` wrote is left.
    """
    is_over = Event()

    def transact() -> None:
        is_inner = connections[using].in_atomic_block
        with transaction.atomic(using=using):
            if not is_inner:  # else no hook is called before the block has ended
                transaction.on_commit(is_over.set, using=using)
            work()
        is_over.set()

    try:
        around(transact)
    except Exception as error:
        if not is_over.is_set():
            raise
        log(
            logging.ERROR,
            "An on_commit() hook of receiver %s failed after the COMMIT of durable message %s, which "
            "is not run again",
            receiver,
            id_,
            exc_info=error,
            extra=about("hook_failed", receiver=receiver, message_id=id_),
        )
