"""W014: fields of deleted rows that stay behind."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db.models.signals import post_delete, pre_delete

from deferred_signals.checks.common import message, model_of, receivers, register

__all__: list[str] = []


@register()
def check_deleted_rows(**_kwargs: Any) -> list[CheckMessage]:
    """W014: a deleted row reaches the receiver without some of its fields."""
    told = []
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
                if (reason := _stays_behind(field)) is not None
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
        f"one raises an error: {fields}.",
        f"Read what it needs at send with capture=, declare the field's class with "
        f"register_type(), or say that it is not needed: exclude_fields=({names},).",
    )


def _stays_behind(field: Any) -> str | None:
    """Why a field's value does not travel with a deleted row; None where it does."""
    try:
        rules = import_module("deferred_signals.serialization.fields")
    except ModuleNotFoundError:
        return None
    reason: str | None = rules.stays_behind(field)
    return reason
