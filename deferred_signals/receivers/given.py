"""Read options as they were given to the decorator, and tell what to write instead of wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deferred_signals.errors import InvalidReceiver
from deferred_signals.policies import is_field
from deferred_signals.receivers.options import OPTIONS, Options, valid
from deferred_signals.receivers.refusals import Refusals
from deferred_signals.support.hints import nearest, resembles

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["options_of", "refuse_undeferred", "sound_options", "unknown_option"]


def options_of(given: Mapping[str, Any]) -> Options:
    """Return the options that were given to the decorator.

    Raises:
        InvalidReceiver: an unknown option, or a wrong value.
        ConfigurationError: an option whose part of the library is not there.
    """
    refusals = Refusals()
    options = sound_options(given, refusals)
    refusals.raise_found("The options do not fit")
    return options


def sound_options(given: Mapping[str, Any], refusals: Refusals) -> Options:
    """Return the options that are sound; note among the refusals what is wrong with the others."""
    sound: dict[str, Any] = {}
    for name, value in given.items():
        if name not in OPTIONS:
            refusals.add(unknown_option(name))
        elif name in Options.__dataclass_fields__:
            before = len(refusals)
            checked = refusals.ask(valid, name, value)
            if len(refusals) == before:
                sound[name] = checked
    return refusals.ask(lambda: Options(**sound)) or Options()


def refuse_undeferred(given: Mapping[str, Any]) -> None:
    """Refuse options that need ``deferred=True``, and misspellings of that argument.

    Other names are left to Django.

    Raises:
        InvalidReceiver: an option is one of deferred receivers only.
    """
    djangos = {"sender", "weak", "dispatch_uid"}
    for name in given:
        if name not in OPTIONS and resembles(name, "deferred"):
            raise InvalidReceiver(f"{name}= is not an argument. Did you mean deferred=True?")
    for name in given:
        if name in OPTIONS.keys() - djangos:
            raise InvalidReceiver(f"{name}= is an option of deferred receivers: add deferred=True.")


#: Celery's ways to retry, which would count attempts beside ours.
_CELERYS_RETRIES = frozenset(
    {
        "autoretry_for",
        "bind",
        "default_retry_delay",
        "dont_autoretry_for",
        "max_retries",
        "reject_on_worker_lost",
    }
)

_USE_QUEUE = "use queue=, or Celery's task_routes with the receiver's name."

#: What to use instead of other arguments of Celery's.
_INSTEAD = {
    "eta": "use countdown=: seconds, a timedelta or a callable.",
    "exchange": _USE_QUEUE,
    "routing_key": _USE_QUEUE,
}

#: Other words for options, which may be misspelt too.
_SYNONYMS = {"retries": "retry", "senders": "sender", "uid": "dispatch_uid"}


def unknown_option(name: str) -> InvalidReceiver:
    """Make the refusal of a name that is no option; it says what was probably meant.

    >>> str(unknown_option("max_attempts"))
    'max_attempts= is a field of Retry: give it inside retry=Retry(max_attempts=...).'
    """
    if is_field(name):
        other = " (The time of a run is time_limit=.)" if name == "timeout" else ""
        return InvalidReceiver(
            f"{name}= is a field of Retry: give it inside retry=Retry({name}=...).{other}"
        )
    wrong = f"{name}= is not an option of a deferred receiver"
    if name in _CELERYS_RETRIES or name.startswith("retry_"):
        counted = " (max_retries=n is max_attempts=n+1)" if name == "max_retries" else ""
        return InvalidReceiver(
            f"{wrong}: use retry=Retry(...), which counts attempts in every mode of delivery"
            f"{counted}."
        )
    if name in _INSTEAD:
        return InvalidReceiver(f"{wrong}: {_INSTEAD[name]}")
    return InvalidReceiver(f"{wrong}. {nearest(name, {*OPTIONS, 'deferred'}, _SYNONYMS)}")
