"""What all checks share: the tag, the receivers, and Celery's facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.core import checks
from django.db.models import Model

from deferred_signals.publishing.celery_facts import CeleryFacts, celery_facts
from deferred_signals.receivers import registry

__all__ = ["checks_of", "facts_or_none", "message", "model_of", "receivers", "register"]

TAG = "deferred_signals"

Check = Callable[[], list[checks.CheckMessage]]

#: All checks, by whether they are for deployments.
_checks: dict[bool, list[Check]] = {False: [], True: []}


def register(*, deploy: bool = False) -> Callable[[Check], Check]:
    """Add a check to those that are run, or to those that are run for deployments."""

    def add(check: Check) -> Check:
        _checks[deploy].append(check)
        return check

    return add


def checks_of(*, deploy: bool) -> list[Check]:
    """Return the checks that were registered."""
    return _checks[deploy]


def message(
    kind: type[checks.CheckMessage], number: str, text: str, hint: str
) -> checks.CheckMessage:
    """Return what a check has to tell, with a remedy."""
    made: Any = kind  # its stubs know the base class's arguments, whose first is the level
    found: checks.CheckMessage = made(text, hint=hint, id=f"{TAG}.{number}")
    return found


def receivers() -> list[registry.Receiver]:
    """Return all deferred receivers."""
    return list(registry.all_receivers())


def facts_or_none() -> CeleryFacts | None:
    """Return Celery's facts; None where its settings cannot be read, which has a check of its own."""
    try:
        return celery_facts()
    except Exception:  # noqa: BLE001 - what a project may write into its settings is without end
        return None


def model_of(sender: object) -> type[Model] | None:
    """Return the model that a connection is for; None where it is for no model, or no installed one."""
    if isinstance(sender, str):
        try:
            return apps.get_model(sender)
        except (LookupError, ValueError):
            return None
    return sender if isinstance(sender, type) and issubclass(sender, Model) else None
