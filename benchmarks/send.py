"""What a receiver adds to ``post_save.send()`` in a transaction: deferred, and deferred by hand.

By hand is ``on_commit(partial(task.delay, pk))``: all that it does in ``send()`` is to register the
hook, and Celery's part follows at the commit. Ours encodes the kwargs, checks them and writes the
message in ``send()``, so that the commit has only to hand it over. Both are set against a receiver
that does nothing, in turns; every transaction is rolled back. Run: ``python -m benchmarks.send``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import django
from celery import Celery
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_save

from deferred_signals import receiver

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["Added", "measure"]


@dataclass(frozen=True, kw_only=True)
class Added:
    """What one kind of receiver adds to a send, in microseconds: quartiles over all turns."""

    kind: str
    sends: int
    low: float
    median: float
    high: float


def measure(*, quick: bool) -> list[Added]:
    """Measure each kind of receiver, for one send a transaction and for ten.

    Arguments:
        quick: only show that it runs.
    """
    nothing, deferred, by_hand = _senders()
    for sender in (nothing, deferred, by_hand):
        _send(sender, 10)  # the first send of a process finds out names
    found = []
    for sends, rounds in ((1, 2000), (10, 500)):
        added: dict[str, list[float]] = {"deferred": [], "on_commit(task.delay) by hand": []}
        for _ in range(2 if quick else rounds):
            base = _send(nothing, sends)
            for kind, sender in zip(added, (deferred, by_hand), strict=True):
                added[kind].append(_send(sender, sends) - base)
        for kind, values in added.items():
            low, median, high = statistics.quantiles(values, n=4)
            found.append(Added(kind=kind, sends=sends, low=low, median=median, high=high))
    return found


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it runs")
    arguments = parser.parse_args()
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        USE_TZ=True,
    )
    django.setup()
    print("| receiver | sends in the transaction | added to a send, µs (quartiles) |")
    print("|---|---|---|")
    for item in measure(quick=arguments.quick):
        numbers = f"{item.median:.1f} ({item.low:.1f} to {item.high:.1f})"
        print(f"| {item.kind} | {item.sends} | {numbers} |")


def _senders() -> list[Model]:
    """A row of each of three models, which have one receiver each: idle, deferred, by hand."""
    from django.contrib.auth.models import (  # noqa: PLC0415 - needs the settings
        Group,
        Permission,
        User,
    )

    app = Celery("benchmarks", broker="memory://")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.set_default()
    make: Any = app.task  # its stubs know one shape of arguments at a time
    task = make(_receive, name="benchmarks.by_hand")

    def idle(**_kwargs: object) -> None: ...

    def by_hand(*, instance: Model, **_kwargs: object) -> None:
        transaction.on_commit(partial(task.delay, instance.pk))

    post_save.connect(idle, sender=Group, weak=False)
    receiver(post_save, sender=User, deferred=True)(_receive)
    post_save.connect(by_hand, sender=Permission, weak=False)
    rows: list[Model] = [Group(pk=7), User(pk=7), Permission(pk=7)]
    for row in rows:
        row._state.db, row._state.adding = "default", False
    return rows


def _receive(**kwargs: object) -> None:
    """Never runs here."""


def _send(row: Model, sends: int) -> float:
    """Microseconds that a send takes, in a transaction of so many."""
    with transaction.atomic():
        begin = time.perf_counter()
        for _ in range(sends):
            post_save.send(
                type(row),
                instance=row,
                created=True,
                update_fields=None,
                raw=False,
                using="default",
            )
        end = time.perf_counter()
        transaction.set_rollback(True)
    return (end - begin) / sends * 1e6


if __name__ == "__main__":
    main()
