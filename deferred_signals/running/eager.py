"""Eager mode: run messages in this process, by the same steps as on a worker, without sleeping."""

from __future__ import annotations

from collections import deque
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DatabaseError, connections

from deferred_signals import conf
from deferred_signals.errors import EagerReceiverFailed
from deferred_signals.message.wire import pack, unpack
from deferred_signals.running.attempt import prepare
from deferred_signals.running.executor import execute, run
from deferred_signals.running.in_transaction import run_in_transaction
from deferred_signals.running.outcomes import Failed, Retrying
from deferred_signals.running.own_blocks import OwnBlocks, open_aliases
from deferred_signals.running.settling import settle
from deferred_signals.running.watching import watches
from deferred_signals.serialization import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django.db.models import Model

    from deferred_signals.message import Message
    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.serialization import Reference

__all__ = ["check_transaction", "run_all", "run_attempt"]


class _Work(NamedTuple):
    """What one `run_all` is doing.

    Attributes:
        left: the messages that have not ended, the running one first.
        failures: those of the outermost `run_all`. Receivers that ran within others failed on their
            own, as on a worker: what they raise must not end the receiver that deferred them.
    """

    left: deque[Outgoing]
    failures: list[BaseException]


#: The calls of `run_all` that are going on, each within a receiver of the one before.
_works: ContextVar[tuple[_Work, ...]] = ContextVar("works", default=())


def run_all(batch: Sequence[Outgoing]) -> None:
    """Run messages one after another, each through all its attempts.

    A message that a receiver sends meanwhile runs within that receiver. But in an order it waits for
    those before it, as on a worker.

    Arguments:
        batch: the messages.

    Raises:
        Exception: with ``EAGER_PROPAGATES`` the first receiver's failure, after all have run; a
            database error as `EagerReceiverFailed`.
    """
    outer = _works.get()
    work = _Work(deque(), outer[0].failures if outer else [])
    for outgoing in batch:
        _work_of_order(outgoing.order_key, outer, work).left.append(outgoing)
    token = _works.set((*outer, work))
    try:
        while work.left:
            outcome = _run_through(work.left[0])
            if isinstance(outcome, Failed):
                work.failures.append(outcome.exception)
            work.left.popleft()
    finally:
        _works.reset(token)
    if not outer and work.failures and conf.current().EAGER_PROPAGATES:
        error = work.failures[0]
        if isinstance(error, DatabaseError):
            raise EagerReceiverFailed(
                f"A receiver failed with {type(error).__name__}, which is the cause of this error."
            ) from error
        raise error


def _work_of_order(key: str | None, outer: Sequence[_Work], own: _Work) -> _Work:
    """Return what has messages of the same order to run; ``own`` if nothing around it has."""
    for work in outer:
        if key is not None and any(outgoing.order_key == key for outgoing in work.left):
            return work
    return own


def _run_through(outgoing: Outgoing) -> Outcome:
    """Run and settle one attempt after another. Return the last outcome."""
    message = unpack(outgoing.payload)
    while True:
        outcome = run_attempt(message, durable=outgoing.durable)
        settle(message, outcome)
        if not isinstance(outcome, Retrying):
            return outcome
        message = unpack(pack(message.next_attempt()))


def check_transaction(using: str) -> None:
    """Fail where a transaction cannot be committed, as the removal of a durable message's row would.

    A receiver may have handled a database error, and its transaction is broken all the same.

    Raises:
        DatabaseError: it is.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT 1")


def run_attempt(
    message: Message, *, durable: bool, end: Callable[[str], object] = check_transaction
) -> Outcome:
    """Run one attempt; where the caller has transactions open, run it in blocks of its own.

    Arguments:
        message: the message.
        durable: it would be a row of the outbox, so that its receiver may be ``atomic``.
        end: is called with the alias of the message's database, at the end of an ``atomic`` receiver's
            transaction: a worker removes the row there.
    """
    attempt = prepare(message)
    if isinstance(attempt, Failed):
        return attempt
    own = OwnBlocks(open_aliases())
    rows: dict[Reference, Model] = {}

    def fetch_and_note(reference: Reference) -> Model:
        rows[reference] = fetch(reference)
        return rows[reference]

    def call(receiver: Receiver, kwargs: Mapping[str, Any]) -> None:
        with ExitStack() as watching:
            for watch in watches:
                watching.enter_context(watch.running(message, receiver, rows))
            if durable and receiver.options.atomic:
                work = partial(_run_and_end, receiver, kwargs, partial(end, message.using))
                run_in_transaction(receiver.name, message.id, message.using, work, own.run)
            else:
                own.run(partial(run, receiver, kwargs))

    try:
        outcome = execute(attempt, fetch_and_note, call)
    except BaseException:
        if own.are_open:
            own.abandon()
        raise
    if own.are_open:  # the receiver was not called
        own.end(undo=isinstance(getattr(outcome, "exception", None), DatabaseError))
    return outcome


def _run_and_end(receiver: Receiver, kwargs: Mapping[str, Any], end: Callable[[], object]) -> None:
    run(receiver, kwargs)
    end()
