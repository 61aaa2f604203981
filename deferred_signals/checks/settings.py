"""Checks of the setting ``DEFERRED_SIGNALS``, and of the policies that receivers name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name
from django.utils.module_loading import import_string

from deferred_signals import conf
from deferred_signals.checks.common import facts_or_none, message, receivers, register
from deferred_signals.errors import ConfigurationError
from deferred_signals.publishing.celery_settings import always_eager
from deferred_signals.receivers.options import policy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []


@register()
def check_settings() -> list[CheckMessage]:
    """Run E001: the ``DEFERRED_SIGNALS`` setting has an unknown key or a wrong value."""
    found = conf.problems()
    if not found:
        found = list(_wrong_carriers())
    return [message(Error, "E001", problem.text, problem.hint) for problem in found]


def _wrong_carriers() -> Iterator[conf.Problem]:
    for path in conf.current().CONTEXT:
        reason = _why_no_carrier(path)
        if reason is not None:
            yield conf.Problem(
                "CONTEXT",
                f"DEFERRED_SIGNALS['CONTEXT'] names {path!r}, which is no context carrier: {reason}.",
                "Correct the path; a carrier is a class derived from "
                "deferred_signals.context.Carrier.",
            )


def _why_no_carrier(path: str) -> str | None:
    try:
        found = import_string(path)
    except Exception as error:  # noqa: BLE001 - importing a module of the project's may raise anything
        return f"{type(error).__name__}: {error}"
    lacking = [name for name in ("key", "restore", "take") if not hasattr(found, name)]
    return f"it has no {' and no '.join(lacking)}" if lacking else None


@register()
def check_policies() -> list[CheckMessage]:
    """Run E002: a receiver's ``retry`` names a policy that the settings do not have."""
    found: list[CheckMessage] = []
    if conf.problems():
        return found
    for receiver in receivers():
        try:
            policy_of(receiver.options)
        except ConfigurationError as error:
            text = f"Receiver {receiver.name}: {error}"
            hint = "Add the policy to RETRY_POLICIES, or correct retry=."
            found.append(message(Error, "E002", text, hint))
    return found


@register(deploy=True)
def check_eager() -> list[CheckMessage]:
    """Run W004: eager mode is on in a deployment."""
    if conf.problems() or facts_or_none() is None:
        return []
    if not (conf.current().EAGER or always_eager()):
        return []
    text = (
        "Eager mode is on: deferred receivers run in the sender's process, and no worker runs them."
    )
    hint = (
        "Remove DEFERRED_SIGNALS['EAGER'] and CELERY_TASK_ALWAYS_EAGER from the settings of a "
        "deployment."
    )
    return [message(Warning, "W004", text, hint)]
