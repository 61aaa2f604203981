"""W009, W010: what a receiver writes on its kwargs, nobody but itself will see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db.models import Model

from deferred_signals.checks.classes import classes_of
from deferred_signals.checks.common import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.inspection import Findings, Write
    from deferred_signals.receivers.registry import Receiver

__all__ = ["check_writes"]


def check_writes(receiver: Receiver, findings: Findings) -> Iterator[CheckMessage]:
    """Give a warning for what is written in vain, and one for each object that is saved whole."""
    lost = {write.path: None for write in findings.writes if _is_lost(receiver, write)}
    for path in lost:
        yield _lost(receiver, path)
    whole: dict[str, list[str]] = {}
    for write in findings.writes:
        if write.saved == "whole" and len(write.path) == 2:  # noqa: PLR2004 - kwarg, attribute
            whole.setdefault(write.path[0], []).append(write.path[1])
    for name, attributes in whole.items():
        yield _saved_whole(receiver, name, sorted(set(attributes)))


def _is_lost(receiver: Receiver, write: Write) -> bool:
    if write.path[0] == "request" and write.path[1:2] != ("user",):
        return True
    if write.saved or write.handed_on:
        return False
    # To write a field and read it again is to mean the row; another attribute may be a note that
    # the receiver keeps for itself.
    return not write.read or _is_field(receiver, write)


def _is_field(receiver: Receiver, write: Write) -> bool:
    if len(write.path) != 2:  # noqa: PLR2004 - kwarg, attribute
        return False
    return any(
        write.path[1] in {field.name, field.attname}
        for kind in classes_of(receiver, write.path[0]).classes
        if issubclass(kind, Model)
        for field in kind._meta.fields
    )


def _lost(receiver: Receiver, path: tuple[str, ...]) -> CheckMessage:
    shown = ".".join(path)
    if path[0] == "request" and path[1:2] != ("user",):
        text = (
            f"changes {shown}: the worker has a snapshot of the request, and the response is gone."
        )
        hint = "A receiver that changes a request or its session cannot be deferred."
    elif len(path) == 1:
        text = f"changes {shown}, which is a copy on the worker: the sender will not see it."
        hint = "A receiver by which the sender collects something cannot be deferred."
    else:
        text = (
            f"sets {shown} and does not save it: the worker has an object of its own, so neither "
            f"the sender nor the database will see it."
        )
        hint = (
            f"Save it, with save(update_fields=[{path[-1]!r}]) or by QuerySet.update(). A receiver "
            f"whose sender reads it afterwards cannot be deferred."
        )
    return message(Warning, "W009", f"Receiver {receiver.name} {text}", hint)


def _saved_whole(receiver: Receiver, name: str, attributes: list[str]) -> CheckMessage:
    names = ", ".join(map(repr, attributes))
    return message(
        Warning,
        "W010",
        f"Receiver {receiver.name} sets {', '.join(f'{name}.{item}' for item in attributes)} and "
        f"saves all of {name}: it may overwrite what others saved meanwhile, and the sender's own "
        f"{name} does not know of the change.",
        f"Save what was set and nothing else: save(update_fields=[{names}]), or QuerySet.update(). "
        f"A sender that goes on with its {name} has to call refresh_from_db() before it saves it, or "
        f"its save undoes the change.",
    )
