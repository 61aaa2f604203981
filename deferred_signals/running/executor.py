"""One message, in named steps: resolve, run, settle.

`execute` decides and changes nothing outside the receiver; its caller publishes the next attempt
where one is due, and then `settle`s, which tells the log and the lifecycle signals.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.db.models.signals import ModelSignal

from deferred_signals import events
from deferred_signals.errors import (
    ConfigurationError,
    ContextNotRestored,
    DecodeError,
    DepthExceeded,
    Discard,
    InvalidReceiver,
    NotKnownHere,
    UnknownReceiver,
)
from deferred_signals.message.context import restored
from deferred_signals.policies import GiveUp, TryAgain
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of
from deferred_signals.running.async_receivers import await_here
from deferred_signals.running.control_flow import translated
from deferred_signals.running.current import CurrentMessage, entered
from deferred_signals.running.outcomes import (
    Discarded,
    Failed,
    Outcome,
    Retrying,
    Succeeded,
    settle,
    settle_malformed,
)
from deferred_signals.running.relations import is_gone_relation
from deferred_signals.serialization import (
    MissingRelation,
    MissingRow,
    Reference,
    complete,
    decode_call,
    fetch,
    references,
    waiting,
)
from deferred_signals.support.frames import forget_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.dispatch import Signal

    from deferred_signals.message import Message
    from deferred_signals.receivers.registry import Receiver

__all__ = [
    "Call",
    "Discarded",
    "Failed",
    "Fetch",
    "Outcome",
    "Retrying",
    "Succeeded",
    "Unknown",
    "charge",
    "execute",
    "run",
    "settle",
    "settle_malformed",
    "unknown",
]

#: Failures that no further attempt can mend.
_HOPELESS = (ConfigurationError, DecodeError, DepthExceeded, InvalidReceiver, UnknownReceiver)


@dataclass(frozen=True)
class Unknown(Failed):
    """The message speaks of what this process does not know, and its receiver was not called.

    A worker parks it, as another one may know. Where there is nothing to wait for, as in eager mode,
    it has failed.
    """


#: Gives the row of a reference, or raises `MissingRow`.
Fetch = Callable[[Reference], Model]


def run(receiver: Receiver, kwargs: Mapping[str, Any]) -> None:
    """Call the receiver, by keyword as Django does; await it where it is async."""
    result = receiver.function(**kwargs)
    if inspect.iscoroutine(result):
        await_here(receiver.name, result)


#: Calls a receiver, like `run`.
Call = Callable[["Receiver", "Mapping[str, Any]"], None]


def execute(
    message: Message,
    fetch: Fetch = fetch,
    call: Call = run,
) -> Outcome:
    """Run one attempt of a message and decide what follows.

    Arguments:
        message: what to run.
        fetch: gives the rows that it refers to.
        call: calls the receiver, within the message's context.
    """
    try:
        receiver = registry.get(message.receiver)
        policy = policy_of(receiver.options)
    except (UnknownReceiver, ConfigurationError) as error:
        return Failed(error, "it cannot be run in this process")
    current = CurrentMessage(
        message.id,
        receiver.name,
        message.attempt,
        policy.max_attempts,
        message.sent_at,
        message.depth,
    )
    waited = max(0.0, message.age(datetime.now(UTC)))
    with entered(current), ExitStack() as surroundings:
        try:
            surroundings.enter_context(restored(message.context))
        except ContextNotRestored as error:
            _tell_start(receiver, message, waited)
            return _decide(message, error, asked=False)
        outcome = _attempt(receiver, message, fetch, call, waited)
        if isinstance(outcome, (Failed, Retrying)):
            forget_values(outcome.exception)
        return outcome


def _tell_start(receiver: Receiver, message: Message, waited: float) -> None:
    events.receiver_started.send_robust(sender=receiver.name, message=message, waited=waited)


def _attempt(
    receiver: Receiver,
    message: Message,
    fetch: Fetch,
    call: Call,
    waited: float,
) -> Outcome:
    resolved = _resolved(receiver, message, fetch)
    if isinstance(resolved, Unknown):
        return resolved
    _tell_start(receiver, message, waited)
    if not isinstance(resolved, dict):
        return resolved
    try:
        return _run(receiver, message, resolved, call)
    except Exception as error:  # noqa: BLE001 - whatever a receiver raises
        return _decide(message, translated(error), asked=True)


def _resolved(receiver: Receiver, message: Message, fetch: Fetch) -> dict[str, Any] | Outcome:
    """The kwargs of the call, or what follows from there being none."""
    try:
        return resolve(receiver, message, fetch)
    except NotKnownHere as error:
        return Unknown(error, "this process does not know what the message speaks of")
    except _Missing as missing:
        return _decide_missing(message, missing)
    except Exception as error:  # noqa: BLE001 - a database that is away, above all
        return _decide(message, error, asked=False)


def _run(receiver: Receiver, message: Message, kwargs: dict[str, Any], call: Call) -> Outcome:
    """Call the receiver; exceptions that are not the policy's to judge are judged here."""
    try:
        call(receiver, kwargs)
    except ObjectDoesNotExist as error:
        if not is_gone_relation(error):
            raise
        return _decide_missing(message, _Missing(receiver, error, is_instance=True))
    return Succeeded()


def resolve(receiver: Receiver, message: Message, fetch: Fetch) -> dict[str, Any]:
    """The kwargs of the call: decoded, and with rows for references."""
    signal = registry.find_signal(receiver, message.signal)
    kwargs = decode_call(receiver.codec, message.kwargs, message.sender)
    if incomplete := waiting(kwargs):
        rows = _fetched(receiver, signal, incomplete, fetch)
        try:
            kwargs |= complete(incomplete, rows)
        except MissingRelation as error:
            raise _Missing(receiver, error, is_instance=True) from error
    upgrade = receiver.options.upgrade
    if upgrade is not None and message.version < receiver.options.version:
        sender = kwargs.pop("sender")
        kwargs = {**upgrade(message.version, kwargs), "sender": sender}
    kwargs["signal"] = signal
    return kwargs


def _fetched(
    receiver: Receiver, signal: Signal, decoded: dict[str, Any], fetch: Fetch
) -> dict[Reference, Model]:
    """The rows that decoded kwargs refer to."""
    rows = {}
    for name, value in decoded.items():
        for reference in references(value):
            if reference not in rows:
                try:
                    rows[reference] = fetch(reference)
                except MissingRow as error:
                    is_instance = name == "instance" and isinstance(signal, ModelSignal)
                    raise _Missing(receiver, error, is_instance=is_instance) from error
    return rows


def unknown(message: Message) -> UnknownReceiver | None:
    """Why this process cannot run a message that another one could: a deploy is under way."""
    try:
        receiver = registry.get(message.receiver)
    except UnknownReceiver as error:
        return error
    if message.version > receiver.options.version:
        return UnknownReceiver(
            f"A message for {receiver.name!r} is of version {message.version}, and this process "
            f"has version {receiver.options.version} of the receiver."
        )
    return None


def charge(message: Message, exception: BaseException) -> Outcome:
    """What follows from a run whose process died or was ended: one attempt is used up."""
    return _decide(message, exception, asked=False)


class _Missing(Exception):
    """A referenced row is gone, and what its receiver wants to follow from that."""

    def __init__(self, receiver: Receiver, error: Exception, *, is_instance: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.mode = receiver.options.missing or ("discard" if is_instance else "fail")


def _decide_missing(message: Message, missing: _Missing) -> Outcome:
    if missing.mode == "discard":
        return Discarded(str(missing))
    if missing.mode == "retry":
        return _decide(message, missing.error, asked=False)
    return Failed(missing.error, "a referenced row is gone")


def _decide(message: Message, exception: BaseException, *, asked: bool) -> Outcome:
    """The outcome of a failed attempt; ``asked``: whether the policy's ``on`` has a say."""
    if isinstance(exception, Discard):
        return Discarded(exception.reason or "no reason was given")
    if isinstance(exception, _HOPELESS):
        return Failed(exception, "no further attempt can mend it")
    try:
        policy = policy_of(registry.get(message.receiver).options)
    except (UnknownReceiver, ConfigurationError) as error:
        return Failed(exception, str(error))
    elapsed = message.age(datetime.now(UTC))
    decide = policy.decide if asked else policy.decide_anyway
    match decide(exception, attempt=message.attempt, elapsed=elapsed):
        case TryAgain(wait):
            return Retrying(exception, wait)
        case GiveUp(reason):
            return Failed(exception, reason)
