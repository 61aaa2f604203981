"""What the system checks ask about Celery as the project configured it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from celery import current_app

__all__ = ["CeleryFacts", "celery_facts"]


@dataclass(frozen=True)
class CeleryFacts:
    """Facts about the Celery app.

    Attributes:
        configured: the project made an app, rather than leaving Celery to its bare default.
        transport: the broker's, as its URL names it.
        accepts_pickle: whether workers would unpickle messages.
        visibility_timeout: seconds, of ``broker_transport_options``; None where it is not set.
        time_limit: seconds, the default hard limit of tasks.
        transport_options: names of the ``broker_transport_options`` that are set.
    """

    configured: bool
    transport: str
    accepts_pickle: bool
    visibility_timeout: float | None
    time_limit: float | None
    transport_options: frozenset[str]


def celery_facts() -> CeleryFacts:
    """The facts, of the current app."""
    settings = current_app.conf
    accepted = {str(item) for item in settings.accept_content}
    url: Any = settings.broker_write_url or settings.broker_url or "amqp://"
    options = settings.broker_transport_options or {}
    return CeleryFacts(
        configured=current_app.main != "default",
        transport=str(url[0] if isinstance(url, (list, tuple)) else url).partition(":")[0],
        accepts_pickle=bool(accepted & {"pickle", "application/x-python-serialize"}),
        visibility_timeout=options.get("visibility_timeout"),
        time_limit=settings.task_time_limit,
        transport_options=frozenset(name for name, value in options.items() if value is not None),
    )
