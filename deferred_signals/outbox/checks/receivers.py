"""E012: durable receivers that wait for commits of a database without the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Error
from django.db import connections, router
from django.db.models.signals import ModelSignal

from deferred_signals import conf
from deferred_signals.checks.common import listed, message, model_of
from deferred_signals.checks.durable import durable_receivers
from deferred_signals.outbox.checks.databases import SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Model

    from deferred_signals.receivers.receiver import Receiver

__all__ = ["aliases_of", "check"]


def check() -> Iterator[CheckMessage]:
    """Check where each durable receiver's messages would be written."""
    for receiver in durable_receivers():
        for alias, labels in aliases_of(receiver).items():
            if alias not in conf.current().OUTBOX.DATABASES:
                yield _elsewhere(receiver.name, alias, labels)


def aliases_of(receiver: Receiver) -> dict[str, list[str]]:
    """Return the databases whose commits a receiver waits for, as far as its declaration tells.

    Each comes with the labels of the senders that are written to it: there are none where ``using=``
    names the database.
    """
    if receiver.options.using is not None:
        return {receiver.options.using: []}
    found: dict[str, set[str]] = {}
    for signal, sender, _uid in receiver.connections:
        model = model_of(sender) if isinstance(signal, ModelSignal) else None
        alias = None if model is None else _written_to(model)
        if model is not None and alias is not None:
            found.setdefault(alias, set()).add(model._meta.label)
    return {alias: sorted(labels) for alias, labels in sorted(found.items())}


def _written_to(model: type[Model]) -> str | None:
    """Return where the router writes a model; None if it cannot tell without an instance."""
    try:
        alias = router.db_for_write(model)
    except Exception:  # noqa: BLE001 - a router of the project's may raise anything
        return None
    return alias if alias in connections else None


def _elsewhere(name: str, alias: str, labels: list[str]) -> CheckMessage:
    if labels:
        why = f"the database router writes {listed(labels)} to {alias!r}"
        otherwise = "give the receiver durable=False"
    else:
        why = f"using= names {alias!r}"
        otherwise = "correct using="
    if alias in connections:
        hint = f"Add {alias!r} to it, and run manage.py migrate --database {alias}; or {otherwise}."
    else:
        hint = f"{alias!r} is not in DATABASES. {conf.nearest(alias, connections)}"
    return message(
        Error,
        "E012",
        f"Receiver {name} is durable, and {why}, which {SETTING} does not have: no transaction "
        f"there can keep its messages, and each of them is refused.",
        hint,
    )
