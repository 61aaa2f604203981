"""Checks of the senders that receivers are connected to."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name
from django.db.models.signals import ModelSignal

from deferred_signals.checks.common import message, model_of, receivers, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.receiver import Receiver

__all__: list[str] = []


@register()
def check_senders() -> list[CheckMessage]:
    """Run E003 and W006: a receiver's sender is a model that does not exist, or every model."""
    return [found for receiver in receivers() for found in _check_connections(receiver)]


def _check_connections(receiver: Receiver) -> Iterator[CheckMessage]:
    missing: set[str] = set()
    everything = False
    for signal, sender, _uid in receiver.connections:
        if not isinstance(signal, ModelSignal):
            continue
        everything |= sender is None
        if isinstance(sender, str) and model_of(sender) is None:
            missing.add(sender)
    for label in sorted(missing):
        yield _missing_model(receiver.name, label)
    if everything and receiver.options.when is None:
        yield message(
            Warning,
            "W006",
            f"Receiver {receiver.name} is deferred for every model, also for sessions, log entries "
            f"and task results.",
            "Name a sender=, or defer only some of the sends with when=.",
        )


def _missing_model(name: str, label: str) -> CheckMessage:
    """Name the receiver, which Django's own signals.E001 cannot: it sees only the connected callable."""
    app = label.partition(".")[0]
    if apps.is_installed(app) or app in apps.app_configs:
        why = f"the app {app!r} has no such model"
    else:
        why = f"no app with the label {app!r} is installed"
    labels = {model._meta.label.lower(): model._meta.label for model in apps.get_models()}
    near = difflib.get_close_matches(label.lower(), labels, n=3)
    hint = f"Did you mean {' or '.join(repr(labels[item]) for item in near)}?" if near else ""
    return message(
        Error,
        "E003",
        f"Receiver {name} is connected to the sender {label!r}, but {why}: the receiver will never "
        f"be called.",
        hint or "Correct sender=, or add the app to INSTALLED_APPS.",
    )
