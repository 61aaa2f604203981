"""Context carriers: take along what surrounds a send, like the language, and restore it around the run.

``DEFERRED_SIGNALS["CONTEXT"]`` names carriers by their dotted paths. A carrier that fails is
logged, and the message goes on without that carrier's value. Without a carrier that is
``required`` neither a send nor a run goes on, as without one that says whose rows a receiver may see.
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
    """Takes one value along: derive a class from it, and name that class in the setting ``CONTEXT``.

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
    #: Whether what `take` returns depends on `contextvars` and Django's settings alone. Then the next
    #: send does not call `take` again where these are the same.
    follows_context: bool = False
    #: Whether nothing may go on without the carrier. At send, what `take` raises reaches the caller.
    #: An attempt fails, before any row is fetched, where its message has no value of the carrier,
    #: or where `restore` fails.
    required: bool = False
    #: Whether `restore` is called for each run: with None, where the message has no value of the carrier.
    always: bool = False

    @abstractmethod
    def take(self) -> Any:
        """Return, at send, what to take along, of JSON's own types; None for nothing.

        A carrier that is required must not return None: the attempt would fail.
        """

    @abstractmethod
    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Make a context manager that restores the value around the run; the value is data from outside."""


#: Characters that the code of a language may have.
LONGEST_CODE = 100


class Language(Carrier):
    """The active language, where it is not the project's default."""

    key = "language"
    follows_context = True

    def take(self) -> str | None:
        """Return the language's code."""
        language = translation.get_language()
        return None if language == django_settings.LANGUAGE_CODE else language

    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Activate the language."""
        # Django remembers each text that it was asked for, and this one may be long: it is from outside.
        if len(value) > LONGEST_CODE or not translation.check_for_language(value):
            raise ValueError("there is no such language")
        return translation.override(value)


class TimeZone(Carrier):
    """The active time zone, where it is not the project's default."""

    key = "time_zone"
    follows_context = True

    def take(self) -> str | float | None:
        """Return the zone's name, or minutes east of UTC for a zone without a name."""
        zone: tzinfo = timezone.get_current_timezone()
        if zone == timezone.get_default_timezone():
            return None
        if isinstance(zone, ZoneInfo):
            return zone.key
        offset = zone.utcoffset(None)
        return None if offset is None else offset.total_seconds() / 60

    def restore(self, value: Any) -> AbstractContextManager[Any]:
        """Activate the time zone."""
        if isinstance(value, str):
            return timezone.override(zone_of(value))
        return timezone.override(timezone.get_fixed_timezone(value))


class Baggage(Carrier):
    """OpenTelemetry's baggage; needs the extra ``deferred_signals[opentelemetry]``.

    The trace itself travels in the headers that OpenTelemetry's Celery instrumentation adds.
    """

    key = "baggage"

    def take(self) -> dict[str, str] | None:
        """Return the baggage in its W3C form."""
        from opentelemetry.baggage.propagation import (  # noqa: PLC0415 - of the extra
            W3CBaggagePropagator,
        )

        carrier: dict[str, str] = {}
        W3CBaggagePropagator().inject(carrier)
        return carrier or None

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Attach the baggage."""
        from opentelemetry import context  # noqa: PLC0415 - of the extra
        from opentelemetry.baggage.propagation import (  # noqa: PLC0415 - of the extra
            W3CBaggagePropagator,
        )

        token = context.attach(W3CBaggagePropagator().extract(value))
        try:
            yield
        finally:
            context.detach(token)
