"""Small objects of Python's and Django's: marked and lazy strings, paths, exceptions, lazy wrappers."""

from __future__ import annotations

import traceback
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple

from django.apps import apps
from django.utils.functional import LazyObject, Promise, empty
from django.utils.safestring import SafeString

from deferred_signals.serialization.unencodable import Unencodable
from deferred_signals.support.unknown import UNKNOWN, Unknown

if TYPE_CHECKING:
    from deferred_signals.serialization.codec import Codec
    from deferred_signals.serialization.encoder import Encoder

__all__ = ["ExceptionSummary", "install", "unwrapped"]


class ExceptionSummary(NamedTuple):
    """What a receiver gets in place of an exception, which cannot be made again safely.

    Attributes:
        type: the dotted path of the exception's class.
        message: ``str()`` of the exception.
        traceback: the formatted traceback, causes included.
    """

    type: str
    message: str
    traceback: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


def install(codec: Codec) -> None:
    """Teach a codec this family.

    Lazy wrappers come first, since ``isinstance`` takes them for what they wrap.
    """
    codec.add_encoder(LazyObject, _encode_lazy_object, subclasses=True)
    codec.add_encoder(Promise, _encode_promise, subclasses=True)
    codec.add(SafeString, "$safe", str.__str__, _decode_safe)
    codec.add_encoder(PurePath, _encode_path, subclasses=True)
    codec.add_decoder("$path", _decode_path)
    codec.add_encoder(BaseException, _encode_exception, subclasses=True)
    codec.add(
        ExceptionSummary,
        "$exception",
        lambda item: [item.type, item.message, item.traceback],
        _decode_exception,
    )
    codec.add(Unknown, "$unknown", lambda _value: None, _decode_unknown)
    codec.add_rule(_is_anonymous, lambda _value, _encoder: {"$anonymous": None})
    codec.add_decoder("$anonymous", _decode_anonymous)


def unwrapped(value: Any) -> Any:
    """Return what a lazy object of Django's stands for; any other value as it is.

    Only this function looks inside: `LazyObject` documents ``_setup`` and ``_wrapped`` for its
    subclasses alone, and offers nothing else.
    """
    while isinstance(value, LazyObject):
        if value._wrapped is empty:  # noqa: SLF001 - see above
            value._setup()  # noqa: SLF001 - see above
        value = value._wrapped  # noqa: SLF001 - see above
    return value


def _encode_lazy_object(value: Any, encoder: Encoder) -> Any:
    return encoder.encode_any(unwrapped(value))


def _encode_promise(value: Promise, encoder: Encoder) -> Any:
    text: object = str(value)
    if value != text:
        raise Unencodable(value, "of lazy values, only strings travel, and this one is no string")
    return encoder.encode_any(text)


_PATHS = {item.__name__: item for item in (PurePosixPath, PureWindowsPath)}


def _encode_path(value: PurePath, encoder: Encoder) -> Any:
    if isinstance(value, Path):
        return {"$path": ["Path", encoder.encode_any(str(value))]}
    if type(value) in _PATHS.values():
        return {"$path": [type(value).__name__, encoder.encode_any(str(value))]}
    raise Unencodable(value)


def _decode_path(parts: Any) -> PurePath:
    kind, text = parts
    if type(text) is not str:
        raise TypeError("a path is written as a text")
    return Path(text) if kind == "Path" else _PATHS[kind](text)


def _decode_safe(text: Any) -> SafeString:
    if type(text) is not str:
        raise TypeError("a marked string is written as a text")
    return SafeString(text)


def _encode_exception(value: BaseException, encoder: Encoder) -> Any:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    text = "".join(traceback.format_exception(value))
    try:
        message = str(value)
    except Exception:  # noqa: BLE001 - whatever its own __str__ does
        message = ""
    return {"$exception": [encoder.encode_any(part) for part in (name, message, text)]}


def _decode_exception(parts: Any) -> ExceptionSummary:
    if type(parts) is not list or not all(type(part) is str for part in parts):
        raise TypeError("an exception is written as three texts")
    return ExceptionSummary(*parts)


def _decode_unknown(content: object) -> Unknown:
    if content is not None:
        raise ValueError("nothing is told of an unknown value")
    return UNKNOWN


def _is_anonymous(kind: type) -> bool:
    # By name: the module cannot be imported before the app registry is ready.
    return kind.__name__ == "AnonymousUser" and kind.__module__ == "django.contrib.auth.models"


def _decode_anonymous(_content: None) -> Any:
    if not apps.is_installed("django.contrib.auth"):
        raise LookupError("django.contrib.auth is not installed in this process")
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415 - needs the app registry

    return AnonymousUser()
