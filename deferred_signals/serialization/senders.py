"""Senders: what a signal's first argument may be, and how it is found again."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import AppConfig, apps
from django.db.models import Model
from django.db.models.base import ModelBase

from deferred_signals.serialization.codec import Unencodable
from deferred_signals.serialization.models import is_saved
from deferred_signals.serialization.objects import unwrapped

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec

__all__ = ["SenderNotLoaded", "install", "sender_form"]


class SenderNotLoaded(NamedTuple):
    """Stands for a sender whose module the worker never imported.

    A payload cannot make the worker import anything, so a class or function that only the sending
    process has loaded (a view, say) reaches the receiver as its name.

    Attributes:
        path: the sender's dotted path.
    """

    path: str


class Named(NamedTuple):
    """A sender that travels as its dotted path."""

    module: str
    qualname: str


def install(codec: Codec) -> None:
    """Teach a codec the forms that only senders take."""
    codec.add_plain(Named, "$named", list, _find)
    codec.add_encoder(AppConfig, lambda config, _codec: {"$app": config.label}, subclasses=True)
    codec.add_decoder("$app", apps.get_app_config)


def sender_form(sender: Any) -> Any:
    """The value that travels for a sender: itself, or its dotted path, or that of its class."""
    sender = unwrapped(sender)
    if sender is None or isinstance(sender, (ModelBase, str, AppConfig)):
        return sender
    if isinstance(sender, Model) and is_saved(sender):
        return sender
    if isinstance(sender, ModuleType):
        return Named(sender.__name__, "")
    target = sender if isinstance(sender, (type, FunctionType)) else type(sender)
    if isinstance(target, ModelBase):  # of a row that was never saved
        return target
    named = Named(target.__module__, target.__qualname__)
    if _lookup(*named) is not target:
        raise Unencodable(
            sender,
            f"a sender goes as the dotted path of its class, and "
            f"{named.module}.{named.qualname} does not lead back to it",
        )
    return named


def _find(parts: Any) -> object:
    module, qualname = parts
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise TypeError("a sender's name is two texts")
    found = _lookup(module, qualname)
    # By type() alone: isinstance() asks the object, and a lazy one would begin to work.
    if issubclass(type(found), (type, FunctionType, ModuleType)):
        return found
    return SenderNotLoaded(f"{module}.{qualname}".rstrip("."))


def _lookup(module: str, qualname: str) -> object:
    """The object of a dotted path among the modules that are loaded; None if it is not there.

    Attributes are read from dictionaries, so that no property and no module's ``__getattr__`` runs.
    """
    if module == "builtins" and qualname == "NoneType":  # of nobody who logged out
        return type(None)
    found: Any = sys.modules.get(module)
    for step in qualname.split(".") if qualname else ():
        if type(found) is ModuleType and step in vars(found):  # what is asked for nearly always
            found = vars(found)[step]
        else:
            found = inspect.getattr_static(found, step, None)
    return found
