"""W005: attributes that other code sets on a kwarg do not travel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's own name
from django.db.models.signals import ModelSignal, post_save

from deferred_signals.checks.classes import classes_of, has, lacks, tracker_of
from deferred_signals.checks.common import message
from deferred_signals.serialization import RequestSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deferred_signals.receivers.inspection import Findings, Path
    from deferred_signals.receivers.receiver import Receiver

__all__ = ["check_attributes"]

#: Attributes with an underscore that every instance has, or every named tuple.
_USUAL = frozenset(
    {
        "_asdict",
        "_base_manager",
        "_default_manager",
        "_fields",
        "_make",
        "_meta",
        "_prefetched_objects_cache",
        "_replace",
        "_state",
    }
)

#: Names of attributes that hold an old value.
_OLD = re.compile(r"_*(old|orig|original|prev|previous|initial|before)(_|$)|.*_(old|before)$")


def check_attributes(receiver: Receiver, findings: Findings) -> Iterator[CheckMessage]:
    """Warn of each attribute that a receiver reads and will not find."""
    for path in sorted(findings.reads):
        root, *attributes = path
        last = attributes[-1] if attributes else ""
        if (
            root == "signal"
            or not last
            or last in _USUAL
            or (last.startswith("__") and last.endswith("__"))
        ):
            continue
        if _is_carried(receiver, path):
            continue
        known = classes_of(receiver, root)
        tracker = tracker_of(known.classes, attributes)
        if tracker and len(attributes) == 1:
            yield _tracked(receiver, path, tracker)
        elif known.may_be_row and _is_missing(root, attributes, known.classes):
            yield _missing(receiver, path, known.classes)


def _is_carried(receiver: Receiver, path: Path) -> bool:
    if path[0] != "instance":
        return False
    carried = [tuple(name.split(".")) for name in receiver.options.carry]
    return any(path[1 : 1 + len(names)] == names for names in carried)


def _is_missing(root: str, attributes: list[str], classes: tuple[type, ...]) -> bool:
    if classes:
        return lacks(classes, tuple(attributes))
    # The kwarg's class is not known. An attribute that no model has is no field. That the kwarg is an
    # instance at all is assumed only if the attribute's name is private or the kwarg's is a model's.
    if len(attributes) > 1:
        return False
    models = apps.get_models(include_auto_created=True)
    is_private = attributes[0].startswith("_")
    is_row = any(model._meta.model_name == root.replace("_", "") for model in models)
    return (is_private or is_row) and not any(has(model, attributes[0]) for model in models)


def _missing(receiver: Receiver, path: Path, classes: tuple[type, ...]) -> CheckMessage:
    if classes == (RequestSnapshot,):
        text = "which does not travel with a request: on the worker it raises an AttributeError"
    else:
        text = (
            "which is no field: the worker has an object of its own, without what other code set in "
            "the sender's process"
        )
    return message(
        Warning,
        "W005",
        f"Receiver {receiver.name} reads {'.'.join(path)}, {text}.",
        _remedy(receiver, path),
    )


def _remedy(receiver: Receiver, path: Path) -> str:
    signals = [signal for signal, _sender, _uid in receiver.connections]
    remedies = []
    if path[0] == "instance" and all(isinstance(signal, ModelSignal) for signal in signals):
        remedies.append(f"let it travel with carry=({'.'.join(path[1:])!r},)")
        if post_save in signals and _OLD.match(path[-1]):
            remedies.append("get old and new values as changes, with when=changed(...)")
    parameters = ", ".join(dict.fromkeys(["sender", path[0]]))
    # With a default, as not every object may have it: an exception in capture= reaches the sender.
    value = f"getattr({'.'.join(path[:-1])}, {path[-1]!r}, None)"
    remedies.append(
        f"read it at send, as a kwarg of the receiver: "
        f"capture=lambda {parameters}, **kwargs: {{{path[-1].lstrip('_')!r}: {value}}}"
    )
    text = ", or ".join(remedies)
    return f"{text[0].upper()}{text[1:]}."


def _tracked(receiver: Receiver, path: Path, tracker: str) -> CheckMessage:
    return message(
        Warning,
        "W005",
        f"Receiver {receiver.name} asks {'.'.join(path)}, of {tracker}, what has changed: the worker "
        f"has just loaded its row, so nothing has.",
        "Use when=changed(...): the receiver gets the changes of the save that was sent.",
    )
