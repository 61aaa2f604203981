"""What the library asks about Celery as the project configured it, at each send or start."""

from __future__ import annotations

import sys
from typing import Any

from celery.app import app_or_default
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from deferred_signals.support.frozen import Frozen

__all__ = [
    "Answers",
    "always_eager",
    "answers",
    "load_tasks",
    "module_of_app",
]


class Answers(Frozen):
    """What is asked of Celery's settings at each send or commit.

    Attributes:
        always_eager: Celery's own switch for tests is on, in Django's settings or the app's.
        broker: where messages are published to.
        transport: the name of its transport; ``memory`` where no message leaves the process.
    """

    always_eager: bool
    broker: str
    transport: str


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
        found = Answers(
            always_eager=bool(eager),
            broker=str(settings.broker_write_url),
            transport=_transport(settings),
        )
        # The first map is what code set, like `app.conf.task_always_eager = True`.
        changes, *others = settings.maps
        _answers = [dict(changes), *others], found
    return found


def _transport(settings: Any) -> str:
    """The transport that messages leave by; where they may leave by several, one that is no memory."""
    urls = settings.broker_write_url or [""]
    if isinstance(urls, str):
        urls = urls.split(";")
    default = settings.broker_transport or "amqp"
    names = [str(url).partition("://")[0] if "://" in str(url) else default for url in urls]
    return next((name for name in names if name not in _IN_PROCESS), "memory")


_IN_PROCESS = frozenset(
    {"memory", "kombu.transport.memory:Transport", "kombu.transport.memory.Transport"}
)

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
