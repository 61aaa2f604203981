"""System checks: what is wrong with the settings, Celery or a receiver, and how to mend it.

They are registered by importing them. The README lists their ids.
"""

from __future__ import annotations

from deferred_signals.checks import (  # noqa: F401 - see above
    brokers,
    limits,
    queues,
    rows,
    senders,
    settings,
    sources,
)

__all__: list[str] = []
