"""What a commit takes while the broker is away: the first one, and those while the breaker is open.

Without the library, a broker that accepts connections and never answers delays a commit for
minutes; so there the broker refuses connections.
"""

from __future__ import annotations

import logging
import socket
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from django.db import transaction
from django.test import override_settings
from kombu.exceptions import OperationalError

from benchmarks.pairs import Quartiles
from benchmarks.project import by_hand, celery_app, receivers
from benchmarks.results import BY_HAND, Cost, Costs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["measure"]

#: Milliseconds that a commit may take while the breaker is open.
TARGET = 5.0

#: Commits of one outage after the first.
NEXT = 200


def measure(*, quick: bool) -> Costs:
    """Measure commits, with one broker after another that is away."""
    logger = logging.getLogger("deferred_signals")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    first, following, by_hands = [], [], []
    with override_settings(DEFERRED_SIGNALS={}):
        for _ in range(1 if quick else 5):
            with _broker(listens=True):
                first.append(_commit(receivers.order_placed))
                following += [_commit(receivers.order_placed) for _ in range(NEXT)]
            with _broker(listens=False):
                by_hands.append(_commit(by_hand.order_placed))
    return Costs(
        title="A commit while the broker is away",
        note="ms for a transaction that sends one event; with PUBLISH_TIMEOUT as it is by default.",
        results=(
            Cost(case="it never answers: the first commit", spent=Quartiles.of(first)),
            Cost(
                case="it never answers: each commit after it",
                spent=Quartiles.of(following),
                at_most=TARGET,
            ),
            Cost(
                case=f"it refuses connections: each commit, {BY_HAND}",
                spent=Quartiles.of(by_hands),
            ),
        ),
    )


@contextmanager
def _broker(*, listens: bool) -> Iterator[None]:
    """Point the project at a port where a listener never answers, or where nothing listens."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen(100)
        url = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        celery_app.conf.update(broker_url=url)
        # Celery's pool of producers is still connected to the broker before.
        celery_app._after_fork()  # type: ignore[attr-defined]  # noqa: SLF001 - as in a new process
        yield


def _commit(send: Callable[[int], object]) -> float:
    """Return the milliseconds of a transaction; it is committed whatever becomes of its event."""
    begin = time.perf_counter()
    with suppress(OperationalError), transaction.atomic():
        send(1)
    return (time.perf_counter() - begin) * 1e3
