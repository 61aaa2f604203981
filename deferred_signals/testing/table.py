"""`run_outbox`: run what is in the outbox's table, in the test's process."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import F

from deferred_signals import conf
from deferred_signals.errors import ConfigurationError, DecodeError, RedeliveredTooOften
from deferred_signals.message import Message
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.dialects import dialect_of, text_of_id
from deferred_signals.receivers import registry
from deferred_signals.running.outcomes import Discarded, Lost, Retrying
from deferred_signals.sending.durable import durable
from deferred_signals.serialization import decode_call
from deferred_signals.testing.matching import receivers_of
from deferred_signals.testing.ran import Ran, check_waits, raise_first
from deferred_signals.worker.by_hand import leave, run_by_hand
from deferred_signals.worker.delivery import Elsewhere, GivenBack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deferred_signals.testing.matching import Target

__all__ = ["run_outbox"]


def run_outbox(
    receiver: Target | None = None,
    /,
    *,
    using: str = DEFAULT_DB_ALIAS,
    waits: Sequence[float | timedelta] | None = None,
    raises: bool = True,
) -> list[Ran]:
    """Run the durable messages that wait in the table, and those that they send, with all retries.

    Each row is claimed, run and settled as on a worker, by the same code, in this process. No broker is
    needed, and nothing sleeps: a row that is due later is made older by that time. Dead letters, rows of
    paused receivers, and rows that another process runs are left alone.

    The sender's transaction must be committed: this is for ``TransactionTestCase`` and pytest's
    ``django_db(transaction=True)``. Elsewhere `manual` does the same without a table.

    Arguments:
        receiver: run the messages of this receiver alone.
        using: alias of the database whose table is meant.
        waits: assert that these were the seconds between attempts, as in `Collected.run_deferred`.
        raises: raise the first failure when all have run; with False, failures are in the result alone.

    Returns:
        What became of each message. Its ``outcome`` is ``"unknown"`` if no receiver of this process has
        its name, and the row waits on.

    Raises:
        AssertionError: the seconds between attempts were others than ``waits``.
        ConfigurationError: there is no outbox, or none on that database.
        InvalidReceiver: ``receiver`` is no deferred receiver.
        RuntimeError: a transaction is open, as in a ``TestCase``.
        Exception: the one with which the first message failed for good.
    """
    _check(using)
    names = None if receiver is None else {item.name for item in receivers_of(receiver, ())}
    try:
        story = _Table(using, names).run()
    finally:
        leave()
    if waits is not None:
        check_waits(story, waits)
    if raises:
        raise_first(story)
    return story


def _check(using: str) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigurationError: there is no outbox, or none on that database.
        RuntimeError: a transaction is open.
    """
    if durable() is None:
        raise ConfigurationError(
            "run_outbox() runs the messages in the outbox's table, and there is none. Add "
            "'deferred_signals.outbox' to INSTALLED_APPS."
        )
    databases = conf.current().OUTBOX.DATABASES
    if using not in databases:
        raise ConfigurationError(
            f"run_outbox(using={using!r}): DEFERRED_SIGNALS['OUTBOX']['DATABASES'] has "
            f"{', '.join(databases)}."
        )
    if connections[using].in_atomic_block:
        raise RuntimeError(
            f"run_outbox() was called with a transaction open on {using!r}, in which a worker would see "
            f"no row. In a TestCase use manual(); or use a TransactionTestCase, or pytest's "
            f"django_db(transaction=True)."
        )


class _Row(NamedTuple):
    """A row that is not dead.

    Attributes:
        id: the message's.
        receiver: the receiver's name.
        payload: the message, as it was sent.
        attempt: the runs that were begun.
        order_key: rows with equal keys run one after another.
        claimed_by: the process that runs it.
        woken_at: when a wake-up for it was published.
        overdue: seconds since it was due, or since its lease was over.
        expired: seconds since it expired; None where it does not.
    """

    id: str
    receiver: str
    payload: str
    attempt: int
    order_key: str | None
    claimed_by: str | None
    woken_at: Any
    overdue: Any
    expired: Any

    @property
    def runs_elsewhere(self) -> bool:
        """Return whether a process has it, and its lease is not over."""
        return self.claimed_by is not None and float(self.overdue) < 0

    @property
    def wait(self) -> float:
        """Return the seconds until it is due."""
        return 0.0 if self.woken_at is not None else max(0.0, -float(self.overdue))

    @property
    def expires_first(self) -> bool:
        """Return whether it expires before it is due."""
        return self.expired is not None and float(self.expired) + self.wait >= 0


class _Table:
    """The rows of one database, and what becomes of them."""

    def __init__(self, using: str, names: set[str] | None) -> None:
        self._using = using
        self._names = names
        self._story: dict[str, Ran] = {}
        #: Rows that are not this process's to run, as was found.
        self._others: set[str] = set()

    def run(self) -> list[Ran]:
        """Run one row after another, until none is left that can be run."""
        while rows := self._next():
            for row in rows:
                self._run(row)
        return list(self._story.values())

    def _next(self) -> list[_Row]:
        """Return the rows that are due, of each order the earliest one; or else the next one."""
        keys: set[str] = set()
        found = []
        for row in _living(self._using):
            is_first = row.order_key is None or row.order_key not in keys
            if row.order_key is not None:
                keys.add(row.order_key)
            is_meant = self._names is None or row.receiver in self._names
            if is_first and is_meant and not row.runs_elsewhere and row.id not in self._others:
                found.append(row)
        found.sort(key=lambda row: row.wait)
        return [row for row in found if row.wait == 0] or found[:1]

    def _run(self, row: _Row) -> None:
        if row.wait > 0:
            _make_older(self._using, row)
        outcome = run_by_hand(row.receiver, WakeUp(self._using, row.id, row.attempt, 0.0))
        if isinstance(outcome, GivenBack):
            raise outcome.error
        if outcome is None or isinstance(outcome, Lost):
            self._others.add(row.id)
            return
        ran = self._story.setdefault(row.id, Ran(row.id, row.receiver, kwargs=_kwargs_of(row)))
        if isinstance(outcome, Elsewhere):
            self._others.add(row.id)
            ran.outcome, ran.exception = "unknown", outcome.reason
            return
        ran.note(outcome)
        if isinstance(outcome, Discarded) and row.expires_first:
            ran.outcome = "expired"
        elif not isinstance(ran.exception, RedeliveredTooOften):  # else the run before was the last
            ran.attempts = row.attempt + 1
        if isinstance(outcome, Retrying):
            ran.waits.append(outcome.wait)


def _living(using: str) -> list[_Row]:
    """Look at the rows that wait, in the order in which they were sent."""
    # They need all models.
    from deferred_signals.outbox.models import TABLE  # noqa: PLC0415 - see above
    from deferred_signals.outbox.on_pause import NOT_PAUSED  # noqa: PLC0415 - see above

    connection = connections[using]
    overdue = dialect_of(connection).seconds_since("due_at")
    expired = dialect_of(connection).seconds_since("expires_at")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, receiver, payload, attempt, order_key, claimed_by, woken_at, "  # noqa: S608 - of tables' names
            f"{overdue.sql}, {expired.sql} FROM {TABLE} WHERE dead_at IS NULL AND {NOT_PAUSED} "
            f"ORDER BY created_at, position, id",
            [*overdue.values, *expired.values],
        )
        return [_Row(text_of_id(id_), *columns) for id_, *columns in cursor.fetchall()]


def _make_older(using: str, row: _Row) -> None:
    """Let the time pass until a row is due, as far as the row can tell."""
    from deferred_signals.outbox.models import OutboxMessage  # noqa: PLC0415 - as above

    wait = timedelta(seconds=row.wait)
    rows = OutboxMessage._default_manager.using(using).filter(pk=row.id)
    rows.update(created_at=F("created_at") - wait, expires_at=F("expires_at") - wait)


def _kwargs_of(row: _Row) -> dict[str, Any]:
    """Decode the kwargs of a row's message; none, if this process cannot."""
    receiver = registry.find(row.receiver)
    if receiver is not None:
        with suppress(DecodeError):
            message = Message.from_wire(row.payload)
            kwargs = decode_call(receiver.codec, message.kwargs, message.sender)
            kwargs.pop("sender")
            return kwargs
    return {}
