"""Telling a project that has deferred receivers, and not the app that makes every worker know them.

Imported with `receiver`, since whatever the app itself could say would not be heard.
"""

from __future__ import annotations

import logging
from typing import Any

from django.apps import apps
from django.core import checks

from deferred_signals.receivers import registry

__all__ = ["warn_if_not_installed"]

logger = logging.getLogger("deferred_signals")

_ENTRY = "Add 'deferred_signals' to INSTALLED_APPS"


@checks.register("deferred_signals")
def check_installed(**_kwargs: Any) -> list[checks.CheckMessage]:
    """W013: there are deferred receivers, and the library is not among the apps."""
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
    """Log what workers do without the app."""
    if not apps.is_installed("deferred_signals"):
        logger.warning(
            "'deferred_signals' is not in INSTALLED_APPS: a worker that imports no deferred "
            "receiver drops messages for all of them. %s.",
            _ENTRY,
        )
