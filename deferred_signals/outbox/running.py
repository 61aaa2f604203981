"""The run of a row, in named steps: claim, run, settle.

The claim is committed before the run, and counts it. So a run whose process dies has been charged, and
the row is free again when its lease is over.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import Error, InterfaceError, OperationalError, connections

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DecodeError
from deferred_signals.message import Message
from deferred_signals.outbox.claims import Claimed, claim, find
from deferred_signals.outbox.ending import Run, end, end_patiently
from deferred_signals.outbox.releases import Holder, remove
from deferred_signals.outbox.turns import claim_in_turn
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import policy_of
from deferred_signals.running.attempt import Attempt, prepare
from deferred_signals.running.deciding import never_came_back
from deferred_signals.running.executor import execute, run
from deferred_signals.running.in_transaction import run_in_transaction
from deferred_signals.running.outcomes import Discarded, Failed, LeaseLost, Lost, Unknown
from deferred_signals.running.settling import settle, settle_malformed
from deferred_signals.serialization import fetch
from deferred_signals.worker.afterwards import afterwards
from deferred_signals.worker.calls import charging_exits
from deferred_signals.worker.delivery import Elsewhere, GivenBack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

    from deferred_signals.message.wakeup import WakeUp
    from deferred_signals.outbox.store import Store
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.running.outcomes import Outcome
    from deferred_signals.running.resolving import Fetch
    from deferred_signals.worker.delivery import Delivery

__all__ = [
    "Opened",
    "is_spent",
    "message_of",
    "open_claimed",
    "outcome_of",
    "owner_of",
    "run_row",
    "tell",
]


def owner_of(pid: int) -> str:
    """Name a process of this host, as claims do."""
    return f"{socket.gethostname()[:200]} {pid}"


def message_of(payload: str, attempt: int) -> Message:
    """Read the message of a row, for one of its runs.

    Raises:
        DecodeError: it is of a newer wire version, or somebody altered the row.
    """
    return replace(Message.from_wire(payload), attempt=attempt)


def run_row(
    store: Store, delivery: Delivery, wake_up: WakeUp
) -> Outcome | Elsewhere | GivenBack | None:
    """Claim the row of a wake-up, run it, and settle it. Return what to tell Celery.

    None stands for a row that is not there to be claimed: it is through, or runs elsewhere.
    """
    try:
        with store.connection(wake_up.using) as connection:
            if is_spent(delivery.name, wake_up):
                return _bury(connection, delivery, wake_up)
            claimed = (claim_in_turn if _is_ordered(delivery.name) else claim)(
                connection,
                wake_up,
                delivery.name,
                owner_of(os.getpid()),
                conf.current().OUTBOX.LEASE,
            )
    except Error as error:
        return GivenBack(error)
    if claimed is None:
        return None
    return _run_claimed(store, delivery, wake_up, claimed)


def _run_claimed(
    store: Store, delivery: Delivery, wake_up: WakeUp, claimed: Claimed
) -> Outcome | Elsewhere:
    opened = open_claimed(wake_up, claimed)
    outcome = end_patiently(store, opened.run, outcome_of(opened))
    tell(delivery, opened, outcome)
    return outcome


class Opened(NamedTuple):
    """A row that was claimed, and what its message asks for.

    Attributes:
        run: what is to be ended.
        attempt: the attempt, or why this process cannot make one.
        message: the message; None if this process cannot read it.
        is_expired: it must not run any more.
    """

    run: Run
    attempt: Attempt | Failed
    message: Message | None
    is_expired: bool


def open_claimed(wake_up: WakeUp, claimed: Claimed) -> Opened:
    """Read the message of a row that was claimed."""
    holder = Holder(wake_up.attempt + 1)
    this = Run(wake_up.using, wake_up.id, holder, claimed.error, order_key=claimed.order_key)
    is_expired = claimed.left is not None and claimed.left <= 0
    try:
        message = message_of(claimed.payload, holder.attempt)
    except DecodeError as error:
        return Opened(this, Unknown(error), None, is_expired)
    attempt = prepare(message)
    if isinstance(attempt, Attempt):
        this = this._replace(atomic=attempt.receiver.options.atomic)
        attempt = attempt._replace(elapsed=_elapsed_since(claimed.age))
    return Opened(this, attempt, message, is_expired)


def outcome_of(opened: Opened, fetch: Fetch = fetch) -> Outcome:
    """Run the attempt of a row."""
    attempt, this = opened.attempt, opened.run
    if opened.is_expired:
        return Discarded("it has expired")
    if isinstance(attempt, Failed):
        return attempt
    call = partial(_run_in_transaction, this) if this.atomic else run
    return charging_exits(attempt, partial(execute, attempt, fetch, call))


def tell(delivery: Delivery, opened: Opened, outcome: Outcome | Elsewhere) -> None:
    """Tell the log and the lifecycle signals how the run of a row ended."""
    message = opened.message
    if message is None:
        if isinstance(outcome, Failed) and isinstance(outcome.exception, DecodeError):
            afterwards(
                delivery.request, partial(settle_malformed, delivery.name, outcome.exception)
            )
    elif isinstance(outcome, Failed) and delivery.calls == 1:
        afterwards(delivery.request, partial(settle, message, outcome))
    elif not isinstance(outcome, Elsewhere):
        settle(message, outcome)


def _elapsed_since(age: float) -> Any:
    """Count on from an age that the database told."""
    then = time.monotonic()
    return lambda: age + time.monotonic() - then


def _run_in_transaction(this: Run, receiver: Receiver, kwargs: Mapping[str, Any]) -> None:
    """Call the receiver and remove its row, in one transaction.

    Raises:
        LeaseLost: the row is another process's by now, or the connection broke: the lease decides.
        Exception: whatever the receiver raises, or the COMMIT.
    """
    connection = connections[this.using]
    session = None

    def work() -> None:
        nonlocal session
        session = connection.connection
        run(receiver, kwargs)
        _remove(connection, this)

    try:
        run_in_transaction(receiver.name, this.id, this.using, work)
    except (InterfaceError, OperationalError) as error:
        if _broke(connection, session):
            raise LeaseLost("the connection to its database broke") from error
        raise


def _remove(connection: BaseDatabaseWrapper, this: Run) -> None:
    if not remove(connection, this.id, this.holder.attempt):
        raise LeaseLost("another process has claimed its row")


def _broke(connection: BaseDatabaseWrapper, session: object) -> bool:
    """Return whether the driver's connection of a block is broken; Django may have replaced it by now."""
    return session is None or connection.connection is not session or not connection.is_usable()


def _is_ordered(name: str) -> bool:
    receiver = registry.find(name)
    return receiver is not None and receiver.options.ordered_by is not None


def is_spent(name: str, wake_up: WakeUp) -> bool:
    """Return whether all runs that the policy allows have begun, and none of them came back."""
    receiver = registry.find(name)
    if receiver is None:
        return False
    try:
        most = policy_of(receiver.options).max_attempts
    except ConfigurationError:
        return False
    return most is not None and wake_up.attempt >= most


def _bury(connection: BaseDatabaseWrapper, delivery: Delivery, wake_up: WakeUp) -> Outcome | None:
    """Make a row dead whose last run never came back."""
    found = find(connection, wake_up.id)
    if found is None or found.receiver != delivery.name:
        return None
    count = wake_up.attempt
    failed = never_came_back(delivery.name, count)
    holder = Holder(count, is_unclaimed=True)
    this = Run(wake_up.using, wake_up.id, holder, found.error, order_key=found.order_key)
    outcome = end(connection, this, failed)
    if isinstance(outcome, Lost):
        return None
    try:
        afterwards(delivery.request, partial(settle, message_of(found.payload, count), failed))
    except DecodeError as error:
        afterwards(delivery.request, partial(settle_malformed, delivery.name, error))
    return failed
