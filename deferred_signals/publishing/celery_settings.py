"""What each send and commit asks about Celery as the project configured it."""

from __future__ import annotations

from typing import Any

from celery.app import app_or_default
from django.conf import settings as django_settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from deferred_signals.support.frozen import Frozen

__all__ = ["Answers", "always_eager", "answers", "current_app", "transports"]


class Answers(Frozen):
    """What Celery's settings say, for each send and commit.

    Attributes:
        always_eager: Celery's own switch for tests is on, in Django's settings or the app's.
        broker: the URLs to which messages are published.
        transport: the name of its transport; ``memory`` if no message leaves the process.
    """

    always_eager: bool
    broker: str
    transport: str


def answers() -> Answers:
    """Return the answers of the current app: the same object as long as the app's settings are the same.

    Celery looks for a setting in all its maps, under every name that the setting ever had. So an
    answer is kept as long as nothing was set in those maps, and Django's ``setting_changed`` was not
    sent. This is the one place that reads ``maps`` of Celery's settings, which is not documented.
    """
    global _answers  # noqa: PLW0603 - the cache of one value, replaced as a whole
    settings: Any = app_or_default().conf
    kept = _answers
    seen, found = kept
    if found is None or seen != settings.maps:
        settings.get("task_always_eager")  # an app is configured when it is first asked
        # Noted before a setting is read: what another thread sets meanwhile is seen the next time.
        # The first map holds what code has set, like `app.conf.task_always_eager = True`.
        changes, *others = settings.maps
        seen = [dict(changes), *others]
        eager = settings.task_always_eager or getattr(
            django_settings, "CELERY_TASK_ALWAYS_EAGER", False
        )
        leaving = (name for name in transports(settings) if name not in _IN_PROCESS)
        found = Answers(
            always_eager=bool(eager),
            broker=str(settings.broker_write_url),
            transport=next(leaving, "memory"),
        )
        if _answers is kept:
            _answers = seen, found
    return found


def transports(settings: Any) -> list[str]:
    """Name the transports of the brokers: of one URL, of a list of them, or of several in one text."""
    urls: Any = settings.broker_write_url or ""
    urls = urls.split(";") if isinstance(urls, str) else urls
    default = settings.broker_transport or "amqp"
    return [url.partition("://")[0] if "://" in url else default for url in map(str, urls)]


_IN_PROCESS = frozenset(
    {"memory", "kombu.transport.memory:Transport", "kombu.transport.memory.Transport"}
)

#: The maps that were looked through, and what was found.
_answers: tuple[list[Any], Answers | None] = [], None


@receiver(setting_changed)
def _forget(**_kwargs: object) -> None:
    global _answers  # noqa: PLW0603 - the cache of one value, replaced as a whole
    _answers = [], None


def current_app() -> Any:
    """Return the app of this thread, which publishes what the thread sends."""
    return app_or_default()


def always_eager() -> bool:
    """Return whether Celery's settings let messages run in the sender's process."""
    return answers().always_eager
