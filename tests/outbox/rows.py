"""Rows of durable messages, and runs of them in this process: start here for the worker's half.

`kept` gives a `Kept`: it connects durable receivers, sends to them, and runs their rows as a worker's
child does.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from celery.app.task import Context
from django.db import connection, connections
from django.dispatch import Signal

from deferred_signals import Retry
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox.dialects import dialect_of
from deferred_signals.outbox.leases import Death
from deferred_signals.outbox.models import TABLE, OutboxMessage, PausedReceiver
from deferred_signals.outbox.running import run_row
from deferred_signals.outbox.store import Store
from deferred_signals.receivers import registry
from deferred_signals.worker import entry as _worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.delivery import Delivery
from tests.app.models import Label
from tests.support.broker import Broker
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle

#: Three runs, five seconds apart.
POLICY = Retry(max_attempts=3, wait_initial=5, wait_exp_base=1, wait_jitter=0)

#: A row that nobody has.
NOWHERE = "019b5f1c-0000-7000-8000-000000000000"

_names = count(1)


@dataclass
class Receiver:
    """A receiver that leaves a label, and then does what the test says.

    Attributes:
        does: what, in the test's own code.
        runs: the kwargs of its runs.
    """

    does: Any = None
    runs: Any = None

    def __call__(self, sender: object, **kwargs: Any) -> None:
        self.runs = [*(self.runs or []), kwargs]
        Label.objects.get_or_create(name="left")
        if isinstance(self.does, BaseException):
            raise self.does
        if self.does is not None:
            self.does()


class Kept:
    """Durable messages in the table of this test.

    Attributes:
        store: lends connections, as a worker's child has them.
        signal: what is sent.
        name: of the receiver that was connected last.
        function: that receiver.
    """

    def __init__(self, defer: Connected) -> None:
        self.store = Store()
        self.signal = Signal()
        self.name = ""
        self.function = Receiver()
        self._defer = defer

    def connect(self, does: Any = None, **options: Any) -> Receiver:
        """Connect a durable receiver."""
        self.name = str(options.setdefault("name", f"tests.kept_{next(_names)}"))
        self.function = function = Receiver(does)
        options = {"durable": True, "retry": POLICY, **options}
        self._defer(self.signal, weak=False, **options)(function)
        return function

    def send(self, **kwargs: Any) -> WakeUp:
        """Send to the receivers; return the wake-up of the last one's row."""
        *_, last = deferred(self.signal.send(None, **kwargs))
        return WakeUp("default", last.id, 0, 1.0)

    def row(self, wake_up: WakeUp) -> OutboxMessage:
        """Return a row."""
        return OutboxMessage.objects.get(pk=wake_up.id)

    def is_gone(self, wake_up: WakeUp) -> bool:
        """Tell whether a row is not there any more."""
        return not OutboxMessage.objects.filter(pk=wake_up.id).exists()

    def run(self, wake_up: WakeUp, name: str | None = None) -> Any:
        """Run a row as a worker's child does; return what Celery is to be told."""
        request = Context({"id": wake_up.id, "delivery_info": {}})
        return run_row(self.store, Delivery(name or self.name, request), wake_up)

    def run_through(self, wake_up: WakeUp) -> list[Any]:
        """Run a row until it is gone or dead; return what each run came to."""
        found: list[Any] = []
        while OutboxMessage.objects.filter(pk=wake_up.id, dead_at=None).exists():
            found.append(self.run(wake_up._replace(attempt=len(found))))
        return found

    def change(self, wake_up: WakeUp, **columns: Any) -> None:
        """Change columns of a row: `seconds()` gives times by the database's clock."""
        changes = ", ".join(f"{name} = {_sql(value)}" for name, value in columns.items())
        values = [one for value in columns.values() for one in _values(value)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {TABLE} SET {changes} WHERE id = %s",  # noqa: S608 - of columns' names
                [*values, dialect_of(connection).id(wake_up.id)],
            )

    def dead(self, error: BaseException | None = None, **kwargs: Any) -> WakeUp:
        """Send to a receiver that fails at each run, and run its row until it is dead."""
        wake_up = self.send(**kwargs)
        self.function.does = error or ConnectionError("it is away")
        self.run_through(wake_up)
        self.function.does = None
        return wake_up

    def disconnect(self) -> None:
        """Disconnect the receivers, so that others may have their names."""
        self._defer.end()

    def forget(self) -> None:
        """Forget the receivers, as a worker of an older release does not know them."""
        registry.discard(registry.get(self.name))


def death(name: str, wake_up: WakeUp, pid: int | None, error: BaseException) -> Death:
    """Make the end of a process that was given one wake-up."""
    return Death(name, (wake_up,), pid, error)


class seconds(float):  # noqa: N801 - used like a function
    """A time in some seconds, or some seconds ago, by the database's clock."""


def _sql(value: Any) -> str:
    return dialect_of(connection).after(value).sql if isinstance(value, seconds) else "%s"


def _values(value: Any) -> tuple[Any, ...]:
    return dialect_of(connection).after(value).values if isinstance(value, seconds) else (value,)


def now() -> float:
    """Return the time by the database's clock, in seconds since the epoch."""
    with connection.cursor() as cursor:
        told = dialect_of(connection).seconds()
        cursor.execute(f"SELECT {told.sql}", told.values)
        (found,) = cursor.fetchone()
    return float(found)


def until(moment: Any) -> float:
    """Count the seconds until a time that a row holds, by the database's clock."""
    return float(moment.timestamp()) - now()


def is_set(moment: Any, wait: float, since: float, slack: float = 0.01) -> bool:
    """Tell whether a row's time was set to that of its statement and a wait, at any time since `now()`."""
    return bool(since + wait - slack <= moment.timestamp() <= now() + wait + slack)


@contextmanager
def database_away(alias: str = "default") -> Iterator[None]:
    """Let new connections to a database fail: it is at an address where there is none."""
    settings: dict[str, Any] = connections.settings[alias]
    present = {name: settings[name] for name in ("HOST", "PORT", "NAME")}
    nowhere = "/nowhere/at/all" if "sqlite" in settings["ENGINE"] else present["NAME"]
    settings.update(HOST="127.0.0.1", PORT="1", NAME=nowhere)
    try:
        yield
    finally:
        settings.update(present)


def logged(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """Return what the library has logged."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "deferred_signals" and record.levelno >= level
    ]


def of_runs(lifecycle: Lifecycle) -> list[str]:
    """Return the names of the lifecycle signals of runs: a wake-up may be published meanwhile."""
    return [name for name in lifecycle.names if name != "message_published"]


def empty_the_table() -> None:
    """Remove all rows, and whatever replaces the method `commit` of a connection."""
    for one in connections.all():
        vars(one).pop("commit", None)
        one.close()
        OutboxMessage.objects.using(one.alias).delete()
        PausedReceiver.objects.using(one.alias).delete()


@pytest.fixture
def kept(defer: Connected, broker: Broker) -> Iterator[Kept]:
    """Give durable messages in an empty table, and a broker that nobody takes them from."""
    found = Kept(defer)
    yield found
    found.store.close()
