"""What all checks share: their tag, the receivers, and Celery's facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core import checks
from django.db.models import Model

from deferred_signals.publishing.celery_facts import CeleryFacts, celery_facts
from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["checks_of", "facts_or_none", "listed", "message", "model_of", "receivers", "register"]

TAG = "deferred_signals"

Check = Callable[[], list[checks.CheckMessage]]

#: All checks, by whether they run with ``--deploy`` only.
_checks: dict[bool, list[Check]] = {False: [], True: []}


def register(*, deploy: bool = False) -> Callable[[Check], Check]:
    """Register a check.

    Arguments:
        deploy: whether it runs with ``--deploy`` only.
    """

    def add(check: Check) -> Check:
        _checks[deploy].append(check)
        return check

    return add


def checks_of(*, deploy: bool) -> list[Check]:
    """Return the checks that run always, or those that run with ``--deploy`` only."""
    return _checks[deploy]


def message(
    kind: type[checks.CheckMessage], number: str, text: str, hint: str
) -> checks.CheckMessage:
    """Make a message of a check.

    Arguments:
        kind: ``Error``, ``Warning`` or ``Info``.
        number: the check's id, without the tag.
        text: what is wrong.
        hint: what to do.
    """
    made: Any = kind  # its type is the base class, whose first argument is the level
    found: checks.CheckMessage = made(text, hint=hint, id=f"{TAG}.{number}")
    return found


def listed(names: list[str]) -> str:
    """List names in a message: the first few, and how many more there are."""
    shown, others = names[:3], len(names) - 3
    return ", ".join(shown) + (f" and {others} more" if others > 0 else "")


def receivers() -> list[Receiver]:
    """Return all deferred receivers."""
    return list(registry.all_receivers())


def facts_or_none() -> CeleryFacts | None:
    """Return Celery's facts; None if its settings cannot be read, which E005 reports."""
    try:
        return celery_facts()
    except Exception:  # noqa: BLE001 - reading wrong settings may raise anything
        return None


def model_of(sender: object) -> type[Model] | None:
    """Return the model that a sender is or names; None for any other sender, and for an unknown model."""
    if isinstance(sender, str):
        try:
            return apps.get_model(sender)
        except (LookupError, ValueError):
            return None
    return sender if isinstance(sender, type) and issubclass(sender, Model) else None
