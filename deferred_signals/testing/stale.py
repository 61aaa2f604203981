"""Warnings of instances that a receiver gets with other values than were sent.

An instance that travels by reference is the row as it is when the receiver runs. A change that was
not saved does not travel, and neither do the old values of an instance that was loaded earlier.
What a receiver sets on its own instance and does not save is lost. In a synchronous receiver all
this worked, and nothing fails now: so the testing modes warn of it.

The warnings need no query. They leave out a difference that a later write to the row explains:
no warning is better than a wrong one.
"""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import ModelSignal

from deferred_signals import conf
from deferred_signals.running.watching import watches
from deferred_signals.serialization import is_saved, key_of, unwrapped
from deferred_signals.serialization.captured import refusals
from deferred_signals.testing.sameness import differs, values_of
from deferred_signals.testing.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.db.models import Field
    from django.dispatch import Signal

    from deferred_signals.message import Message
    from deferred_signals.receivers.receiver import Receiver
    from deferred_signals.serialization import Reference

__all__ = ["StaleInstanceWarning", "tell_of_stale_instances", "watching_instances"]

#: Characters of a value that a warning shows.
LONGEST = 80


class StaleInstanceWarning(UserWarning):
    """A value was set on an instance and not saved, so it is lost."""


class _Sent(NamedTuple):
    """An instance as it was sent.

    Attributes:
        name: name of the kwarg that the instance was in.
        row: its model, primary key (as text: the key may travel as another type) and database.
        values: the values of its fields.
        time: time of the send, on the clock of `Writes`.
    """

    name: str
    row: tuple[type[Model], str, str | None]
    values: dict[str, Any]
    time: int


class _Instances:
    """Watch instances from their send to the end of the run."""

    def __init__(self) -> None:
        self._writes = Writes()
        self._sent: dict[str, list[_Sent]] = {}
        self._found: dict[str, None] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for the length of a block."""
        with self._writes.noting():
            watches.append(self)
            try:
                yield
            finally:
                watches.remove(self)

    def sent(
        self, id_: str, receiver: Receiver, signal: Signal, sender: Any, kwargs: Mapping[str, Any]
    ) -> None:
        """Note the instances that are sent, except the ``instance`` of a signal of models."""
        options = receiver.options
        about = {"instance"} if isinstance(signal, ModelSignal) else set()
        skipped = {*about, *options.exclude, *options.snapshot_names}
        time = self._writes.now()
        self._sent[id_] = [
            _Sent(name, (type(row), str(key_of(row)), row._state.db), values_of(row), time)
            for name, value in {"sender": sender, **kwargs}.items()
            if name not in skipped
            for row in _rows_in(value)
            if is_saved(row)
        ]

    @contextmanager
    def running(
        self, message: Message, receiver: Receiver, rows: Mapping[Reference, Model]
    ) -> Iterator[None]:
        """Compare instances as sent with those fetched, and those with what the receiver leaves."""
        for sent in self._sent.get(message.id, []):
            for reference, row in rows.items():
                if sent.row == (reference.model, str(reference.pk), reference.alias):
                    self._compare(receiver, sent, row)
        before = [(row, values_of(row)) for row in rows.values()]
        time = self._writes.now()
        in_vain: list[str] = []
        token = refusals.set(in_vain)
        try:
            yield
        finally:
            refusals.reset(token)
            for text in in_vain:
                self._found[
                    f"{receiver.name!r} asked a request for what does not travel: {text}"
                ] = None
        for row, values in before:
            if row.pk is not None:
                self._compare_again(receiver, row, values, time)

    def tell(self) -> None:
        """Warn of what was found since the last call."""
        found, self._found = self._found, {}
        for text in found:
            warnings.warn(text, StaleInstanceWarning, stacklevel=3)

    def _compare(self, receiver: Receiver, sent: _Sent, row: Model) -> None:
        """Note fields that the receiver gets with other values than were sent."""
        for attname, (value, now) in self._differing(row, sent.values, sent.time).items():
            self._found[
                f"{receiver.name!r}: {sent.name}.{attname} {_was(receiver, attname, value, now)}. "
                f"The instance travels by reference: save it before it is sent, or send its "
                f"present values, by snapshot=True or snapshot=({sent.name!r},)."
            ] = None

    def _compare_again(
        self, receiver: Receiver, row: Model, values: dict[str, Any], time: int
    ) -> None:
        """Note fields that the receiver has set and not saved."""
        for attname in self._differing(row, values, time):
            self._found[
                f"{receiver.name!r} has set {attname} of {row._meta.label} {row.pk!r} and has not "
                f"saved it. The instance is the receiver's own: call save(), or the value is lost."
            ] = None

    def _differing(
        self, row: Model, values: dict[str, Any], since: int
    ) -> dict[str, tuple[Any, Any]]:
        """Return the values that differ from the row's and that no write to the row explains."""
        fields, present = _fields(row), values_of(row)
        return {
            attname: (value, present[attname])
            for attname, value in values.items()
            if attname in present
            and differs(fields[attname], value, present[attname])
            and not self._writes.changed(row, fields[attname], since)
        }


def _fields(row: Model) -> dict[str, Field[Any, Any]]:
    return {field.attname: field for field in row._meta.concrete_fields}


def _rows_in(value: Any) -> Iterator[Model]:
    """Find the instances in a value that is sent, also within containers."""
    value = unwrapped(value)
    if isinstance(value, Model):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _rows_in(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _rows_in(item)


def _was(receiver: Receiver, attname: str, value: Any, now: Any) -> str:
    """Say which value was sent and which the receiver got; of a secret only that they differ."""
    secret = conf.current().SENSITIVE | receiver.options.exclude_fields | {"password"}
    if attname.casefold() in secret:
        return "had another value at send than the row that the receiver got"
    return f"was {_brief(value)} at send, and the receiver got {_brief(now)}"


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


class _Shared:
    """One watch for all modes in force, nested or in other threads."""

    def __init__(self) -> None:
        self.watch: _Instances | None = None
        self._lock = Lock()
        self._modes = 0
        self._stack = ExitStack()

    def begin(self) -> None:
        with self._lock:
            self._modes += 1
            if self.watch is None:
                self.watch = _Instances()
                self._stack.enter_context(self.watch.watching())

    def end(self) -> None:
        with self._lock:
            self._modes -= 1
            if self._modes == 0:
                self._stack.close()
                self.watch = None


_shared = _Shared()


@contextmanager
def watching_instances() -> Iterator[None]:
    """Watch instances for the length of a testing mode."""
    _shared.begin()
    try:
        yield
    finally:
        _shared.end()


def tell_of_stale_instances() -> None:
    """Warn of what was found in the runs since the last call."""
    if _shared.watch is not None:
        _shared.watch.tell()
