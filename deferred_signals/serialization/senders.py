"""Senders: what the first argument of a signal may be, and how a worker finds it again."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import AppConfig, apps
from django.db.models import Model
from django.db.models.base import ModelBase

from deferred_signals.errors import NotKnownHere
from deferred_signals.serialization.lookups import find_object
from deferred_signals.serialization.models import is_saved
from deferred_signals.serialization.objects import unwrapped
from deferred_signals.serialization.unencodable import Unencodable, brief

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec

__all__ = ["Named", "SenderNotLoaded", "install", "install_named", "sender_value"]


class SenderNotLoaded(NamedTuple):
    """Stands for a sender whose module the worker never imported.

    A message cannot make the worker import anything. So a class or function that only the sending
    process has loaded, like a view, reaches the receiver as its name.

    Attributes:
        path: the sender's dotted path.
    """

    path: str


class Named(NamedTuple):
    """A sender that travels as its dotted path.

    Attributes:
        module: its module's name.
        qualname: its name within the module; empty for the module itself.
    """

    module: str
    qualname: str


def install(codec: Codec) -> None:
    """Teach a codec Django's apps, which are senders, and arguments of ``post_migrate``."""
    codec.add_encoder(AppConfig, lambda config, _encoder: {"$app": config.label}, subclasses=True)
    codec.add_raw_decoder("$app", _decode_app)


def install_named(codec: Codec) -> None:
    """Teach a codec the form of a class, a function or a module.

    Only a sender may be decoded to one, and nothing else in a message: so this must be a child of the
    codec that decodes the kwargs.
    """
    codec.add_encoder(Named, lambda named, _encoder: {"$named": list(named)})
    codec.add_raw_decoder("$named", _decode_named)


def sender_value(sender: Any) -> Any:
    """Return the value that travels for a sender: itself, its dotted path, or its class's.

    Raises:
        Unencodable: its class is not found again by its dotted path.
    """
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
    if find_object(*named) is not target:
        raise Unencodable(
            sender,
            f"a sender goes as the dotted path of its class, and "
            f"{named.module}.{named.qualname} does not lead back to it",
            remedy="Define the class at the top of a module, or send a sender that is one.",
        )
    return named


def _decode_app(label: Any) -> AppConfig:
    try:
        return apps.get_app_config(label)
    except LookupError:
        raise NotKnownHere(f"There is no app {brief(label)} in this process.", label) from None


def _decode_named(parts: Any) -> object:
    module, qualname = parts
    if type(module) is not str or type(qualname) is not str:
        raise TypeError("a sender's name is two texts")
    found = find_object(module, qualname)
    # By type() alone: isinstance() asks the object, and a lazy one would load what it stands for.
    if issubclass(type(found), (type, FunctionType, ModuleType)):
        return found
    return SenderNotLoaded(f"{module}.{qualname}".rstrip("."))
