"""The Django app: every project adds ``"deferred_signals"`` to ``INSTALLED_APPS``."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class DeferredSignalsConfig(AppConfig):
    """The app that registers the system checks, and makes workers keep messages of unknown receivers."""

    name = "deferred_signals"
    verbose_name = "Deferred signals"

    def __init__(self, app_name: str, app_module: Any) -> None:
        """Begin to defer the receivers of other packages that the setting ``DEFER`` names.

        Packages connect their receivers in ``ready()``, and Django makes all apps before it calls
        the first ``ready()``. So the place of this app among the others does not matter.
        """
        super().__init__(app_name, app_module)
        # Here, as most projects need none of it.
        from deferred_signals import conf  # noqa: PLC0415 - see above

        entries = conf.sound().DEFER
        if entries:
            from deferred_signals.decorator.wrapped import defer_by_settings  # noqa: PLC0415 - see above

            defer_by_settings(entries)

    def ready(self) -> None:
        """Make ``manage.py check`` know the system checks, and workers the task of parked messages."""
        # The imports register them.
        from deferred_signals import checks, decorator  # noqa: F401, PLC0415
