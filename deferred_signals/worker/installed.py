"""Warn a project that has deferred receivers, but not the app that makes every worker know them.

This is imported with `receiver`, since the app itself can say nothing where it is not installed.
"""

from __future__ import annotations

import logging
from typing import Any

from django.apps import apps
from django.core import checks

from deferred_signals.receivers import registry
from deferred_signals.support.records import about

__all__ = ["warn_if_not_installed"]

logger = logging.getLogger("deferred_signals")

_ENTRY = "Add 'deferred_signals' to INSTALLED_APPS"


@checks.register("deferred_signals")
def check_installed(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Check W013: warn of deferred receivers where the library is not among the apps."""
    if apps.is_installed("deferred_signals") or not any(registry.all_receivers()):
        return []
    return [
        checks.Warning(
            "There are deferred receivers, but 'deferred_signals' is not in INSTALLED_APPS: a "
            "worker that imports none of them drops their messages, and the other system checks "
            "do not run.",
            hint=f"{_ENTRY}.",
            id="deferred_signals.W013",
        )
    ]


def warn_if_not_installed() -> None:
    """Log what a worker does without the app."""
    if not apps.is_installed("deferred_signals"):
        logger.warning(
            "'deferred_signals' is not in INSTALLED_APPS: a worker that imports no deferred "
            "receiver drops the messages of all of them. %s.",
            _ENTRY,
            extra=about("not_installed"),
        )
