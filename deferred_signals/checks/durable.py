"""E006 and E007: durable delivery is asked for where nothing provides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.core.checks import CheckMessage, Error

from deferred_signals import conf
from deferred_signals.checks.common import listed, message, receivers, register
from deferred_signals.receivers.catalogue import entry_of
from deferred_signals.receivers.options import is_durable

if TYPE_CHECKING:
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["durable_receivers"]

OUTBOX = "deferred_signals.outbox"


def durable_receivers() -> list[Receiver]:
    """Return the receivers whose messages are rows of the outbox, in a project without problems."""
    return [receiver for receiver in receivers() if _has_rows(receiver)]


def _has_rows(receiver: Receiver) -> bool:
    return is_durable(receiver.options) and not _waits_for_no_commit(receiver)


def _waits_for_no_commit(receiver: Receiver) -> bool:
    """Tell whether no signal of a receiver waits for a commit: such messages are never durable."""
    signals = receiver.signals
    return bool(signals) and all(entry_of(signal).immediate for signal in signals)


@register()
def check_outbox_is_installed() -> list[CheckMessage]:
    """Run E006: messages are durable, and the app that keeps them is not installed."""
    if conf.problems() or apps.is_installed(OUTBOX):
        return []
    if conf.current().DURABLE:
        what = "DEFERRED_SIGNALS['DURABLE'] is True"
        otherwise = "remove DURABLE"
    else:
        names = [receiver.name for receiver in durable_receivers()]
        if not names:
            return []
        what = f"Receivers are durable ({listed(names)})"
        otherwise = "remove durable=True"
    return [
        message(
            Error,
            "E006",
            f"{what}, but {OUTBOX!r} is not in INSTALLED_APPS: nothing can keep the messages, and "
            f"none is sent.",
            f"Add {OUTBOX!r} to INSTALLED_APPS and run manage.py migrate, or {otherwise}.",
        )
    ]


@register()
def check_atomic() -> list[CheckMessage]:
    """Run E007: a receiver with ``atomic=True`` is not durable."""
    if conf.problems():
        return []
    return [
        _atomic_in_vain(receiver)
        for receiver in receivers()
        if receiver.options.atomic and not _has_rows(receiver)
    ]


def _atomic_in_vain(receiver: Receiver) -> CheckMessage:
    if _waits_for_no_commit(receiver):
        why = "its signals wait for no commit, so that its messages cannot be durable"
        hint = "Remove atomic=True."
    else:
        why = "neither durable=True nor DEFERRED_SIGNALS['DURABLE'] asks for durable delivery"
        hint = "Give the receiver durable=True as well, or remove atomic=True."
    return message(
        Error,
        "E007",
        f"Receiver {receiver.name} has atomic=True, but {why}: there is no row that could end in one "
        f"transaction with its writes.",
        hint,
    )
