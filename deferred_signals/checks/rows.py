"""W014: fields of deleted rows that do not travel."""

from __future__ import annotations

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db.models.signals import post_delete, pre_delete

from deferred_signals import conf
from deferred_signals.checks.common import message, model_of, receivers, register
from deferred_signals.serialization.trusted_fields import stays_behind

__all__: list[str] = []


@register()
def check_deleted_rows() -> list[CheckMessage]:
    """Run W014: a deleted row reaches the receiver without some of its fields."""
    told: list[CheckMessage] = []
    if conf.problems():
        return told
    for receiver in receivers():
        models = {
            model_of(sender)
            for signal, sender, _uid in receiver.connections
            if signal in {post_delete, pre_delete}
        }
        for model in sorted(filter(None, models), key=lambda model: model._meta.label):
            reasons = {
                field.name: reason
                for field in model._meta.concrete_fields
                if field.name not in receiver.options.exclude_fields
                if (reason := stays_behind(field)) is not None
            }
            if reasons:
                told.append(_told(receiver.name, model._meta.label, reasons))
    return told


def _told(name: str, label: str, reasons: dict[str, str]) -> CheckMessage:
    fields = "; ".join(f"{field} ({reason})" for field, reason in reasons.items())
    names = ", ".join(map(repr, reasons))
    return message(
        Warning,
        "W014",
        f"Receiver {name} gets deleted rows of {label} without some of their fields, and reading "
        f"such a field raises an error: {fields}.",
        f"Read what the receiver needs of these fields at send, with capture=. If it needs none of "
        f"them, say so: exclude_fields=({names},).",
    )
