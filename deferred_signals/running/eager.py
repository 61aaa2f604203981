"""Eager mode: messages are run in this process, by the same steps as on a worker, without sleeping."""

from __future__ import annotations

from contextlib import ExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, transaction

from deferred_signals import conf
from deferred_signals.errors import EagerReceiverFailed
from deferred_signals.running import executor
from deferred_signals.running.calls import translate
from deferred_signals.wire import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.message import Message

__all__ = ["attempt", "run_all"]


#: Failures so far, of the outermost `run_all`. Receivers that ran within others failed on their
#: own, as on a worker: what they raise must not end the receiver that deferred them.
_failures: ContextVar[list[BaseException] | None] = ContextVar("failures", default=None)


def run_all(wires: Sequence[str]) -> None:
    """Run messages one after another, each through all its attempts.

    Raises:
        Exception: with ``EAGER_PROPAGATES`` the first receiver's failure, after all have run; a
            database error as `EagerReceiverFailed`.
    """
    outer = _failures.get()
    failures: list[BaseException] = [] if outer is None else outer
    token = _failures.set(failures)
    try:
        for wire in wires:
            outcome = _run(unpack(wire))
            if isinstance(outcome, executor.Failed):
                failures.append(outcome.exception)
    finally:
        _failures.reset(token)
    if outer is None and failures and conf.current().EAGER_PROPAGATES:
        error = failures[0]
        if isinstance(error, DatabaseError):
            raise EagerReceiverFailed(
                f"A receiver failed with {type(error).__name__}, which is the cause of this error."
            ) from error
        raise error


def _run(message: Message) -> executor.Outcome:
    while True:
        outcome = attempt(message)
        executor.settle(message, outcome)
        if not isinstance(outcome, executor.Retrying):
            return outcome
        message = unpack(pack(message.next_attempt()))


def attempt(message: Message) -> executor.Outcome:
    """One attempt; where transactions of the caller are open, in blocks of its own.

    A database error breaks the open transaction, so only that rolls the blocks back: what else a
    receiver wrote before it failed stays, as it would on a worker.
    """
    aliases = [
        item.alias for item in connections.all(initialized_only=True) if item.in_atomic_block
    ]
    outcome = None
    try:
        with ExitStack() as blocks:
            for alias in aliases:
                blocks.enter_context(transaction.atomic(using=alias))
            outcome = executor.execute(message, translate)
            if isinstance(getattr(outcome, "exception", None), DatabaseError):
                for alias in aliases:
                    transaction.set_rollback(True, using=alias)
    except DatabaseError:
        # PostgreSQL does not release a savepoint after an error that the receiver itself handled;
        # Django has rolled back to it by now.
        if outcome is None:
            raise
    return outcome
