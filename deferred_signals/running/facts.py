"""What the library asks about Celery as the project configured it."""

from __future__ import annotations

import sys
from typing import Any

from celery.app import app_or_default
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from deferred_signals.frozen import Frozen

__all__ = [
    "Answers",
    "CeleryFacts",
    "always_eager",
    "answers",
    "celery_facts",
    "load_tasks",
    "module_of_app",
]


class CeleryFacts(Frozen):
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
    app = app_or_default()
    settings = app.conf
    accepted = {str(item) for item in settings.accept_content}
    url: Any = settings.broker_write_url or settings.broker_url or "amqp://"
    options = settings.broker_transport_options or {}
    return CeleryFacts(
        configured=app.main != "default",
        transport=str(url[0] if isinstance(url, (list, tuple)) else url).partition(":")[0],
        accepts_pickle=bool(accepted & {"pickle", "application/x-python-serialize"}),
        visibility_timeout=options.get("visibility_timeout"),
        time_limit=settings.task_time_limit,
        transport_options=frozenset(name for name, value in options.items() if value is not None),
    )


class Answers(Frozen):
    """What is asked of Celery's settings at each send or commit.

    Attributes:
        always_eager: Celery's own switch for tests is on, in Django's settings or the app's.
        broker: where messages are published to.
    """

    always_eager: bool
    broker: str


def answers() -> Answers:
    """The answers of the current app; the same object as long as its settings are the same.

    Celery looks for a setting in all its maps, under every name that it ever had. So an answer is
    kept while what code set in those maps is the same, and Django's ``setting_changed`` tells of no
    change.
    """
    global _answers  # noqa: PLW0603 - the cache of one value, replaced as a whole
    settings: Any = app_or_default().conf
    seen, found = _answers
    if found is None or seen != settings.maps:
        eager = settings.task_always_eager or getattr(
            django_settings, "CELERY_TASK_ALWAYS_EAGER", False
        )
        found = Answers(always_eager=bool(eager), broker=str(settings.broker_write_url))
        # The first map is what code set, like `app.conf.task_always_eager = True`.
        changes, *others = settings.maps
        _answers = [dict(changes), *others], found
    return found


#: The maps that were looked through, and what was found.
_answers: tuple[list[Any], Answers | None] = [], None


@receiver(setting_changed)
def _forget(**_kwargs: object) -> None:
    global _answers  # noqa: PLW0603 - the cache of one value, replaced as a whole
    _answers = [], None


def always_eager() -> bool:
    """Whether messages run in the sender's process because Celery's settings say so."""
    return answers().always_eager


def module_of_app() -> str | None:
    """A module whose import makes the current app; None where it is nobody's global.

    Tests may have imported the app too: the module called ``celery`` is the one that makes it, as
    Celery's guide for Django has it, or else the one that was loaded first.
    """
    app = app_or_default()
    found = [
        name
        for name, module in list(sys.modules.items())
        if name != "__main__" and name.partition(".")[0] != "celery"
        if any(value is app for value in list(vars(module).values()))
    ]
    return min(found, key=lambda name: name.rpartition(".")[2] != "celery", default=None)


def load_tasks() -> None:
    """Import what a worker imports when it starts, beside Django's apps."""
    app: Any = app_or_default()
    app.loader.import_default_modules()
