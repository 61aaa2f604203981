"""What a receiver adds to ``post_save.send()`` in a transaction: deferred, and deferred by hand.

The code by hand is ``on_commit(partial(task.delay, pk))``. In ``send()`` it only registers the
hook, and Celery's part follows at the commit. Ours encodes the kwargs, checks them and writes the
message in ``send()``, so that the commit has only to hand it over. Both are set against a receiver
that does nothing, in turns; every transaction is rolled back.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models.signals import post_save

from benchmarks.pairs import Quartiles
from benchmarks.project import by_hand
from benchmarks.results import BY_HAND, Cost, Costs
from deferred_signals import receiver

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["measure"]

DEFERRED = "deferred=True"
#: Microseconds that each may add to a send.
TARGETS = {DEFERRED: 40.0}
#: Sends in a transaction, and turns.
SIZES = ((1, 2000), (10, 500))


def measure(*, quick: bool) -> Costs:
    """Send to each kind of receiver, one event a transaction and ten."""
    idle, rows = _rows()
    for row in (idle, *rows.values()):
        _send(row, 10)  # the first send of a process resolves names
    costs = []
    for sends, rounds in SIZES:
        added: dict[str, list[float]] = {kind: [] for kind in rows}
        for _ in range(2 if quick else rounds):
            base = _send(idle, sends)
            for kind, row in rows.items():
                added[kind].append(_send(row, sends) - base)
        costs += [
            Cost(
                case=f"{kind}, {sends} in a transaction",
                spent=Quartiles.of(values),
                at_most=TARGETS.get(kind),
            )
            for kind, values in added.items()
        ]
    return Costs(
        title="What a receiver adds to post_save.send()",
        note=(
            "µs a send in a transaction, without the commit: ours is encoded by then, and by hand "
            "everything is left to the commit."
        ),
        results=tuple(costs),
    )


def _rows() -> tuple[Model, dict[str, Model]]:
    """Return a row whose receiver does nothing, and a row for each kind of receiver."""

    def register_hook(*, instance: Model, **_kwargs: object) -> None:
        transaction.on_commit(partial(by_hand.take_order.delay, instance.pk))

    post_save.connect(_do_nothing, sender=Group)
    receiver(post_save, sender=User, deferred=True)(_do_nothing)
    post_save.connect(register_hook, sender=Permission, weak=False)
    idle, *rows = Group(pk=7), User(pk=7), Permission(pk=7)
    for row in (idle, *rows):
        row._state.db, row._state.adding = "default", False
    return idle, dict(zip((DEFERRED, BY_HAND), rows, strict=True))


def _do_nothing(**kwargs: object) -> None:
    pass


def _send(row: Model, sends: int) -> float:
    """Return the microseconds of a send, in a transaction of so many."""
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
        seconds = time.perf_counter() - begin
        transaction.set_rollback(True)
    return seconds / sends * 1e6
