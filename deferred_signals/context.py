"""Context carriers: what surrounds a send, like the language, and is there again around the run.

``DEFERRED_SIGNALS["CONTEXT"]`` names carriers by their dotted paths. A carrier that fails is
logged, and the message goes on without it.
"""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import Context, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from asgiref.local import Local
from django.conf import settings as django_settings
from django.core.signals import request_finished
from django.dispatch import receiver
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from deferred_signals import conf
from deferred_signals.zones import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import tzinfo

__all__ = ["Baggage", "Carrier", "Language", "TimeZone", "restored", "taken"]

logger = logging.getLogger("deferred_signals")


class Carrier(ABC):
    """Takes one thing along: derive from it, and name the class in the setting ``CONTEXT``.

    >>> from contextvars import ContextVar
    >>> request_id = ContextVar("request_id", default=None)
    >>> class RequestId(Carrier):
    ...     key = "request_id"
    ...
    ...     def take(self):
    ...         return request_id.get()
    ...
    ...     @contextmanager
    ...     def restore(self, value):
    ...         token = request_id.set(value)
    ...         try:
    ...             yield
    ...         finally:
    ...             request_id.reset(token)
    """

    #: The carrier's name in messages.
    key: str
    #: Whether what it takes follows from `contextvars` and Django's settings alone, so that the next
    #: send needs not take it again where these are the same.
    follows_context: bool = False

    @abstractmethod
    def take(self) -> Any:
        """At send: what to take along, of JSON's own types; None for nothing."""

    @abstractmethod
    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Around the run: make it be there again. The value is data from outside."""


class Language(Carrier):
    """The active language, where it is not the project's default."""

    key = "language"
    follows_context = True

    def take(self) -> str | None:
        """The language's code."""
        language = translation.get_language()
        return None if language == django_settings.LANGUAGE_CODE else language

    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Activate it."""
        if not translation.check_for_language(value):
            raise ValueError(f"there is no language {value!r}")
        return translation.override(value)


class TimeZone(Carrier):
    """The active time zone, where it is not the project's default."""

    key = "time_zone"
    follows_context = True

    def take(self) -> str | float | None:
        """The zone's name, or minutes east of UTC for a zone without one."""
        zone: tzinfo = timezone.get_current_timezone()
        if zone == timezone.get_default_timezone():
            return None
        if isinstance(zone, ZoneInfo):
            return zone.key
        offset = zone.utcoffset(None)
        return None if offset is None else offset.total_seconds() / 60

    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Activate it."""
        if isinstance(value, str):
            return timezone.override(zone_of(value))
        return timezone.override(timezone.get_fixed_timezone(value))


class Baggage(Carrier):
    """OpenTelemetry's baggage; needs the extra ``deferred_signals[opentelemetry]``.

    The trace itself travels in the headers that OpenTelemetry's Celery instrumentation adds.
    """

    key = "baggage"

    def take(self) -> dict[str, str] | None:
        """The baggage in its W3C form."""
        from opentelemetry.baggage.propagation import (  # noqa: PLC0415 - of the extra
            W3CBaggagePropagator,
        )

        carrier: dict[str, str] = {}
        W3CBaggagePropagator().inject(carrier)
        return carrier or None

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Attach it."""
        from opentelemetry import context  # noqa: PLC0415 - of the extra
        from opentelemetry.baggage.propagation import (  # noqa: PLC0415 - of the extra
            W3CBaggagePropagator,
        )

        token = context.attach(W3CBaggagePropagator().extract(value))
        try:
            yield
        finally:
            context.detach(token)


def taken(settings: conf.Settings) -> dict[str, Any]:
    """What all carriers of the settings take along from here; not to be written into."""
    here = copy_context()
    if _latest.settings is settings and _is_same(_latest.context, here):
        return _latest.found
    found = {}
    lasting = _locals_follow_context()
    for path in settings.CONTEXT:
        try:
            carrier = _carrier(path)
            lasting &= carrier.follows_context
            value = carrier.take()
            if value is not None:
                _check(value)
                found[carrier.key] = value
        except Exception:
            logger.exception("Context carrier %s failed at send; its context is left out", path)
            lasting = False
    if lasting:
        _latest.settings, _latest.context, _latest.found = settings, here, found
    return found


class _Latest(threading.local):
    """What was taken last on a thread, where, and under which settings.

    Many messages are sent from one place, and Django is slow to say that no language and no time
    zone is active.
    """

    settings: conf.Settings | None = None
    context: Context = Context()
    found: dict[str, Any] = {}  # noqa: RUF012 - never written into


_latest = _Latest()


@receiver(request_finished)
def _forget(**_kwargs: object) -> None:
    """Keep nothing alive that a request put into its context."""
    _latest.settings, _latest.context = None, Context()


def _is_same(one: Context, other: Context) -> bool:
    """Whether the same objects are in both: to ask them whether they are equal may do anything."""
    return len(one) == len(other) and all(
        other.get(variable, one) is value for variable, value in one.items()
    )


@cache
def _locals_follow_context() -> bool:
    """Whether a context shows what is set, and unset, in the locals that Django uses.

    Not with asgiref 3.8, which forgets a variable for all contexts at once.
    """

    def try_one() -> bool:
        local: Any = Local()
        local.value = 1
        before = copy_context()
        del local.value
        return copy_context() != before

    return Context().run(try_one)


def restored(context: dict[str, Any]) -> AbstractContextManager[Any]:
    """All that was taken along is there again for the block."""
    return _restored(context) if context else _NOTHING


#: One for all: it holds nothing.
_NOTHING = nullcontext()


@contextmanager
def _restored(context: dict[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for path in conf.current().CONTEXT:
            stack.enter_context(_restored_by(path, context))
        yield


@contextmanager
def _restored_by(path: str, context: dict[str, Any]) -> Iterator[None]:
    """What one carrier took along is there again; if the carrier fails, the block runs without."""
    with ExitStack() as stack:
        try:
            carrier = _carrier(path)
            if carrier.key in context:
                stack.enter_context(carrier.restore(context[carrier.key]))
        except Exception:
            logger.exception("Context carrier %s failed before the run; going without", path)
        yield
        try:
            stack.close()
        except Exception:
            logger.exception("Context carrier %s failed after the run", path)


#: Raises where a value is not of JSON's own types.
_check = json.JSONEncoder(allow_nan=False).encode


@cache
def _carrier(path: str) -> Carrier:
    carrier: Carrier = import_string(path)()
    return carrier
