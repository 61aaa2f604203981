"""The Django app of durable delivery, which plugs itself in where messages are sent and run."""

from __future__ import annotations

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """The app that keeps durable messages in a table, and lets workers run them."""

    name = "deferred_signals.outbox"
    label = "deferred_signals_outbox"
    verbose_name = "Deferred signals: outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Plug durable delivery in."""
        from deferred_signals.outbox.plugs import plug_in  # noqa: PLC0415 - needs all models

        plug_in()
