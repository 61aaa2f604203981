"""Context carriers: what surrounds a send, like the language, and is there again around the run.

``DEFERRED_SIGNALS["CONTEXT"]`` names carriers by their dotted paths. A carrier that fails is
logged, and the message goes on without it. Nothing goes on without a carrier that is ``required``,
like one that says whose rows a receiver may see.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings as django_settings
from django.utils import timezone, translation

from deferred_signals.support.zones import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import tzinfo

__all__ = ["Baggage", "Carrier", "Language", "TimeZone"]


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
    #: Whether nothing may go on without it. At send, what `take` raises reaches the caller. An
    #: attempt whose message has no value of it, or one that `restore` cannot restore, has failed
    #: before any row is fetched.
    required: bool = False

    @abstractmethod
    def take(self) -> Any:
        """At send: what to take along, of JSON's own types; None for nothing.

        Nothing is not enough for a carrier that is required: the attempt will fail.
        """

    @abstractmethod
    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Around the run: make it be there again. The value is data from outside."""


#: Characters of the longest code of a language.
LONGEST_CODE = 100


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
        # Django remembers what it was asked for: texts of any length from outside are not to be kept.
        if len(value) > LONGEST_CODE or not translation.check_for_language(value):
            raise ValueError("there is no such language")
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
