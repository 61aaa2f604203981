"""Senders: what a signal's first argument may be, and how it is found again."""

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
from deferred_signals.serialization.refusals import Unencodable, brief

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec

__all__ = ["SenderNotLoaded", "install", "install_named", "sender_form"]


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
    """Teach a codec Django's apps, which are senders, and arguments of ``post_migrate``."""
    codec.add_encoder(AppConfig, lambda config, _codec: {"$app": config.label}, subclasses=True)
    codec.add_plain_decoder("$app", _app)


def install_named(codec: Codec) -> None:
    """Teach a codec the form that senders alone take: a class, a function or a module.

    Nothing else of a message may ever be decoded to one.
    """
    codec.add_encoder(Named, lambda named, _codec: {"$named": list(named)})
    codec.add_raw_decoder("$named", lambda parts, _codec: _find(parts))


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
    if find_object(*named) is not target:
        raise Unencodable(
            sender,
            f"a sender goes as the dotted path of its class, and "
            f"{named.module}.{named.qualname} does not lead back to it",
        )
    return named


def _app(label: Any) -> AppConfig:
    try:
        return apps.get_app_config(label)
    except LookupError:
        raise NotKnownHere(f"There is no app {brief(label)} in this process.", label) from None


def _find(parts: Any) -> object:
    module, qualname = parts
    if type(module) is not str or type(qualname) is not str:
        raise TypeError("a sender's name is two texts")
    found = find_object(module, qualname)
    # By type() alone: isinstance() asks the object, and a lazy one would begin to work.
    if issubclass(type(found), (type, FunctionType, ModuleType)):
        return found
    return SenderNotLoaded(f"{module}.{qualname}".rstrip("."))
