"""The rules that no message may break, as a program can see them."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Model, QuerySet, signals
from django.db.models.base import ModelBase

from deferred_signals import DecodeError, RequestSnapshot
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.message.wire import unpack
from deferred_signals.serialization import MissingRow, complete, decode_call, references
from deferred_signals.serialization.codec import Codec
from tests.app.fields import RAN

__all__ = ["Process", "check_values", "obeys", "run"]

CODE = (ModuleType, FunctionType, MethodType, BuiltinFunctionType, type)


class Rows(dict[Any, Any]):
    """Rows without a database: each reference leads to one."""

    def __missing__(self, reference: Any) -> Any:
        return reference.model()


def run(payload: str, codec: Codec) -> dict[str, Any]:
    """Do what a worker does with a payload before it calls a receiver.

    Raises:
        DecodeError: no sender makes such a payload.
    """
    message = unpack(payload)
    values = decode_call(codec, message.kwargs, message.sender)
    assert isinstance(list(references(values)), list)
    return complete(values, Rows())


def obeys(payload: str, codec: Codec) -> None:
    """Check that a payload breaks no rule, whether it is a message or not.

    Raises:
        AssertionError: it does.
    """
    RAN.clear()  # of what other code did with the same fields
    with suppress(DecodeError):
        WakeUp.from_wire(payload)
    with suppress(DecodeError, MissingRow):
        check_values(run(payload, codec))
    assert not RAN, f"{RAN} ran"


class Process:
    """A picture of what no message may change in this process, to be compared with a later one."""

    def __init__(self) -> None:
        self.modules = set(sys.modules)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some settings tell of their end
            self.settings = {
                name: repr(getattr(settings, name)) for name in dir(settings) if name.isupper()
            }
        self.models = {
            model._meta.label: (model._meta.db_table, sorted(vars(model)), model.__bases__)
            for model in apps.get_models()
        }
        self.listeners = {
            name: len(signal.receivers)
            for name, signal in vars(signals).items()
            if isinstance(signal, signals.ModelSignal)
        }

    def check(self) -> None:
        """Compare with the process as it is now.

        Raises:
            AssertionError: a message changed something, or ran what it must not.
        """
        for name, now in vars(Process()).items():
            assert now == getattr(self, name), (
                f"{name} changed: {_difference(getattr(self, name), now)}"
            )
        assert not RAN, f"{RAN} ran"


def _difference(before: Any, now: Any) -> Any:
    if isinstance(now, set):
        return now ^ before
    return {key: (before.get(key), value) for key, value in now.items() if before.get(key) != value}


def check_values(kwargs: dict[str, Any]) -> None:
    """Check that no kwarg is or holds code; the sender alone may be a class, a function or a module.

    Raises:
        AssertionError: one does.
    """
    for name, value in kwargs.items():
        if name != "sender":
            for item in _parts(value, 0):
                assert not isinstance(item, CODE) or isinstance(item, ModelBase), (name, item)


def _parts(value: Any, depth: int) -> Iterator[Any]:
    """Yield a value and all that it holds: items, keys, fields, attributes that were set."""
    yield value
    if depth > 120:
        raise AssertionError("a value is nested deeper than any that is sent")
    if isinstance(value, QuerySet):
        return
    held: list[Any] = []
    if isinstance(value, dict):
        held = [*value, *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        held = list(value)
    elif isinstance(value, Model):
        held = [item for name, item in vars(value).items() if not name.startswith("_")]
    elif isinstance(value, RequestSnapshot) or is_dataclass(value):
        held = [getattr(value, item.name) for item in fields(value)]
    for item in held:
        yield from _parts(item, depth + 1)
