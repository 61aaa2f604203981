"""W009, W010: what a receiver writes to its kwargs is lost, or overwrites what others saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db.models import Model

from deferred_signals.checks.classes import classes_of
from deferred_signals.checks.common import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.inspection import Findings, Write
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["check_writes"]


def check_writes(receiver: Receiver, findings: Findings) -> Iterator[CheckMessage]:
    """Warn of each write that is lost, and of each object that is saved whole."""
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
    # A field that is written is meant to be saved, also if it is read again. Any other attribute that
    # is read again may be a note that the receiver keeps for itself.
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
            f"changes {shown}: the worker has a snapshot of the request, and the response was sent."
        )
        hint = "A receiver that changes a request or its session cannot be deferred."
    elif len(path) == 1:
        text = (
            f"changes {shown}, which is a copy on the worker: the sender will not see the change."
        )
        hint = "A receiver that hands something back to the sender so cannot be deferred."
    else:
        text = (
            f"sets {shown} and does not save it: the worker has an object of its own, so the value "
            f"reaches neither the sender nor the database."
        )
        hint = (
            f"Save it, with save(update_fields=[{path[-1]!r}]) or QuerySet.update(). If the sender "
            f"reads it afterwards, the receiver cannot be deferred."
        )
    return message(Warning, "W009", f"Receiver {receiver.name} {text}", hint)


def _saved_whole(receiver: Receiver, name: str, attributes: list[str]) -> CheckMessage:
    names = ", ".join(map(repr, attributes))
    return message(
        Warning,
        "W010",
        f"Receiver {receiver.name} sets {', '.join(f'{name}.{item}' for item in attributes)} and "
        f"saves all of {name}. It may overwrite what others saved meanwhile, and the sender's own "
        f"{name} does not have the change.",
        f"Save only what was set: save(update_fields=[{names}]), or QuerySet.update(). A sender that "
        f"goes on using its {name} must call refresh_from_db() before it saves that, or its save "
        f"undoes the change.",
    )
