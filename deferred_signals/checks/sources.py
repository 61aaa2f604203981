"""Checks that read a receiver's source: it reads or writes what a worker does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name

from deferred_signals.checks.attributes import check_attributes
from deferred_signals.checks.common import message, receivers, register
from deferred_signals.checks.writes import check_writes
from deferred_signals.receivers.inspection import Findings, forget_sources, inspect_receiver

if TYPE_CHECKING:
    from deferred_signals.receivers.receiver import Receiver

__all__: list[str] = []


@register()
def check_sources() -> list[CheckMessage]:
    """Run W005, W007, W009 and W010 on the source of each receiver."""
    told: list[CheckMessage] = []
    for receiver in receivers():
        try:
            function = receiver.function
        except ReferenceError:  # connected weakly, and garbage-collected
            continue
        findings = inspect_receiver(function)
        if findings is not None:
            told += check_attributes(receiver, findings)
            told += _check_result(receiver, findings)
            told += check_writes(receiver, findings)
    forget_sources()
    return told


def _check_result(receiver: Receiver, findings: Findings) -> list[CheckMessage]:
    if not findings.returns_value:
        return []
    text = f"Receiver {receiver.name} returns a value, which the sender will not get."
    hint = "Let it return nothing. If the sender needs the value, the receiver cannot be deferred."
    return [message(Warning, "W007", text, hint)]
