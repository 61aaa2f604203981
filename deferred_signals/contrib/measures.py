"""What is measured: the name, the unit and the labels of each metric, for all kinds of telemetry.

No label has an id or a value: receivers, outcomes, states and databases are few. A name that came with
a message, and that no receiver of this process has, is told as `UNKNOWN`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["BUCKETS", "MEASURES", "UNKNOWN", "Measure"]

#: Stands for the name of a receiver that this process does not have.
UNKNOWN = "(unknown)"

#: The upper bounds of histograms, in seconds: from a fast receiver to a message that waited for an hour.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0)


@dataclass(frozen=True, eq=False)
class Measure:
    """One metric; equal to itself alone, so that looking one up is quick.

    Attributes:
        name: without the prefix ``deferred_signals``, in parts with dots between them.
        kind: a counter only grows, a level goes up and down by steps, a gauge is observed.
        unit: of UCUM's, as OpenTelemetry writes it.
        labels: names of the labels.
        description: what it counts.
    """

    name: str
    kind: Literal["counter", "level", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    description: str

    @property
    def dotted(self) -> str:
        """Return the name as OpenTelemetry writes it."""
        return f"deferred_signals.{self.name}"

    @property
    def snake(self) -> str:
        """Return the name as Prometheus writes it, but for the ``_total`` of counters."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"deferred_signals_{self.name.replace('.', '_')}{unit}"


DEFERRED = Measure(
    "deferred",
    "counter",
    "{message}",
    ("receiver", "delivery"),
    "Messages that send() deferred, those of transactions that were rolled back included.",
)
PUBLISHED = Measure(
    "published",
    "counter",
    "{message}",
    ("receiver",),
    "Messages, or wake-ups of durable ones, that their senders published.",
)
PUBLISH_FAILURES = Measure(
    "publish_failures",
    "counter",
    "{message}",
    ("receiver", "outcome"),
    "Messages that could not be published or deferred, by what became of them.",
)
KEPT = Measure(
    "kept",
    "level",
    "{message}",
    ("receiver",),
    "Messages that wait in the memory of senders for a broker that is slow or away.",
)
WAITED = Measure(
    "waited",
    "histogram",
    "s",
    ("receiver",),
    "Seconds from send() to the first attempt.",
)
RUN_DURATION = Measure(
    "run.duration",
    "histogram",
    "s",
    ("receiver", "outcome"),
    "Seconds that attempts took, by their outcomes.",
)
RETRIES = Measure(
    "retries",
    "counter",
    "{attempt}",
    ("receiver",),
    "Attempts that failed and are followed by another one.",
)
REDELIVERIES = Measure(
    "redeliveries",
    "counter",
    "{attempt}",
    ("receiver",),
    "Attempts of messages that the broker redelivered, as a whole worker was gone.",
)
DEAD = Measure(
    "dead",
    "counter",
    "{message}",
    ("receiver",),
    "Messages that were given up.",
)
OUTBOX_DEPTH = Measure(
    "outbox.depth",
    "gauge",
    "{message}",
    ("database", "state"),
    "Messages in the outbox, counted up to 1,000 of each state.",
)
OUTBOX_OLDEST_DUE = Measure(
    "outbox.oldest_due",
    "gauge",
    "s",
    ("database",),
    "Seconds since the first message became due that is still due, 0 if none is.",
)

#: All of them, in the order of a message's way.
MEASURES = (
    DEFERRED,
    PUBLISHED,
    PUBLISH_FAILURES,
    KEPT,
    WAITED,
    RUN_DURATION,
    RETRIES,
    REDELIVERIES,
    DEAD,
    OUTBOX_DEPTH,
    OUTBOX_OLDEST_DUE,
)
