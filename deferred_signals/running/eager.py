"""Eager mode: run messages in this process, by the same steps as on a worker, without sleeping."""

from __future__ import annotations

from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction

from deferred_signals import conf
from deferred_signals.errors import EagerReceiverFailed
from deferred_signals.message.wire import pack, unpack
from deferred_signals.running.attempt import prepare
from deferred_signals.running.executor import execute, run
from deferred_signals.running.outcomes import Failed, Retrying
from deferred_signals.running.own_blocks import OwnBlocks, open_aliases
from deferred_signals.running.settling import settle
from deferred_signals.running.watching import watches
from deferred_signals.serialization import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import Model

    from deferred_signals.message import Message
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.serialization import Reference

__all__ = ["run_all", "run_attempt"]


#: The failures so far, of the outermost `run_all`. Receivers that ran within others failed on their
#: own, as on a worker: what they raise must not end the receiver that deferred them.
_failures: ContextVar[list[BaseException] | None] = ContextVar("failures", default=None)


def run_all(wires: Sequence[str]) -> None:
    """Run messages one after another, each through all its attempts.

    Arguments:
        wires: the messages' payloads.

    Raises:
        Exception: with ``EAGER_PROPAGATES`` the first receiver's failure, after all have run; a
            database error as `EagerReceiverFailed`.
    """
    outer = _failures.get()
    failures: list[BaseException] = [] if outer is None else outer
    token = _failures.set(failures)
    try:
        for wire in wires:
            outcome = _run_through(unpack(wire))
            if isinstance(outcome, Failed):
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


def _run_through(message: Message) -> Outcome:
    """Run and settle one attempt after another. Return the last outcome."""
    while True:
        outcome = run_attempt(message)
        settle(message, outcome)
        if not isinstance(outcome, Retrying):
            return outcome
        message = unpack(pack(message.next_attempt()))


def _run(message: Message, receiver: Receiver, kwargs: Mapping[str, Any]) -> None:
    """Call the receiver; where it is ``atomic``, what it wrote is rolled back if it fails."""
    if receiver.options.atomic:
        with transaction.atomic(using=message.using):
            run(receiver, kwargs)
    else:
        run(receiver, kwargs)


def run_attempt(message: Message) -> Outcome:
    """Run one attempt; where the caller has transactions open, run it in blocks of its own."""
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
            own.run(partial(_run, message, receiver, kwargs))

    try:
        outcome = execute(attempt, fetch_and_note, call)
    except BaseException:
        if own.are_open:
            own.abandon()
        raise
    if own.are_open:  # the receiver was not called
        own.end(undo=isinstance(getattr(outcome, "exception", None), DatabaseError))
    return outcome
