"""Plug the outbox in at the ports of the rooms below."""

from __future__ import annotations

from deferred_signals.outbox.checks import register_checks
from deferred_signals.outbox.sending import Outbox
from deferred_signals.sending.durable import keep_durable_in

__all__ = ["plug_in"]


def plug_in() -> None:
    """Let durable messages be kept in the table, and ``manage.py check`` tell what is in their way."""
    keep_durable_in(Outbox())
    register_checks()
