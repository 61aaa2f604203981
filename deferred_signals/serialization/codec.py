"""The tagged form: how any value that may travel becomes JSON, and how it comes back.

JSON's own values stay as they are: None, bool, int of 64 bits, finite float, str, list, and dict
with string keys in ASCII of which none begins with ``$``. Everything else is an object with one key, its
tag: ``{"$set": [1, 2]}``. A dict that could be mistaken for a tag is itself written under one,
``{"$dict": [[key, value], ...]}``, so that the form has one reading only.

Encoders are found by the exact type first and by base class second; decoders by tag, in a table
that only code fills. A payload names tags and nothing that would be imported or called.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist

from deferred_signals.errors import DecodeError, NotKnownHere
from deferred_signals.serialization.containers import (
    decode_dict,
    encode_dict,
    encode_list,
    hashable_items,
    is_too_deep,
)
from deferred_signals.serialization.hashing import sound_items
from deferred_signals.serialization.refusals import Unencodable, brief

if TYPE_CHECKING:
    from collections.abc import Callable

    Encoder = Callable[[Any, "Codec"], Any]
    Decoder = Callable[[Any, "Codec"], Any]

__all__ = ["MALFORMED", "Codec", "Unencodable"]

#: What a decoder may raise on a payload that is not what its encoder writes.
MALFORMED = (
    ArithmeticError,
    AttributeError,
    FieldDoesNotExist,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def _made_set(kind: Callable[[Any], Any], items: Any) -> Any:
    return kind(sound_items(items))


def _made_tuple(items: Any) -> tuple[Any, ...]:
    if type(items) is not list:
        raise TypeError("a tuple is written as a list")
    return tuple(items)


class Codec:
    """Encoders by type and decoders by tag, filled by the families of this package."""

    def __init__(self, parent: Codec | None = None) -> None:
        self._parent = parent
        self._by_type: dict[type, Encoder] = {}
        self._by_rule: list[tuple[Callable[[type], bool], Encoder]] = []
        #: What the rules, being asked once for each type, said.
        self._ruled: dict[type, Encoder | None] = {}
        self._by_tag: dict[str, Decoder] = {}
        self._plain_by_tag: dict[str, Callable[[Any], Any]] = {}
        if parent is not None:
            # One for all: codecs differ in other tags.
            self._plain_by_tag = parent._plain_by_tag  # noqa: SLF001 - of its own class
            return
        self._by_type |= {list: encode_list, dict: encode_dict}
        self.add_decoder("$dict", decode_dict)
        self.add(tuple, "$tuple", list, _made_tuple)
        for kind, tag in ((set, "$set"), (frozenset, "$frozenset")):
            self.add(kind, tag, hashable_items, partial(_made_set, kind))

    def add(
        self, kind: type, tag: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any]
    ) -> None:
        """Teach the codec one type, exactly (types derived from it stay unknown).

        Arguments:
            kind: the type.
            tag: the key under which `encode`'s result is written; it begins with ``$``.
            encode: gives a value that the codec encodes in turn.
            decode: makes the value of what `encode` gave.
        """
        self.add_encoder(kind, lambda value, codec: {tag: codec.encode_any(encode(value))})
        self.add_decoder(tag, decode)

    def add_plain(
        self, kind: type, tag: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any]
    ) -> None:
        """As `add`, where what ``encode`` gives is JSON already: texts, small ints, lists of them."""
        self.add_encoder(kind, lambda value, _codec: {tag: encode(value)})
        self._plain_by_tag[tag] = decode

    def add_plain_decoder(self, tag: str, decode: Callable[[Any], Any]) -> None:
        """As one half of `add_plain`."""
        self._plain_by_tag[tag] = decode

    def add_encoder(self, kind: type, encode: Encoder, *, subclasses: bool = False) -> None:
        """As one half of `add`, for an encoder that gives the finished JSON form."""
        if subclasses:
            self.add_rule(lambda found: issubclass(found, kind), encode)
        else:
            self._by_type[kind] = encode

    def add_rule(self, applies: Callable[[type], bool], encode: Encoder) -> None:
        """As `add_encoder`, for types that a rule tells; rules are asked in their order."""
        self._by_rule.append((applies, encode))
        self._ruled.clear()

    def add_decoder(self, tag: str, decode: Callable[[Any], Any]) -> None:
        """As the other half of `add`; the decoder gets the decoded payload."""
        self._by_tag[tag] = lambda payload, codec: decode(codec.decode_any(payload))

    def add_raw_decoder(self, tag: str, decode: Decoder) -> None:
        """As `add_decoder`, for a decoder that gets the payload as it is, and the codec."""
        self._by_tag[tag] = decode

    def knows_type(self, kind: type) -> bool:
        """Whether values of exactly this type have an encoder."""
        return kind in self._by_type

    def knows_tag(self, tag: str) -> bool:
        """Whether the tag has a decoder."""
        return tag in self._by_tag or tag in self._plain_by_tag

    def child(self) -> Codec:
        """A codec that knows all that this one does or will, to be taught more."""
        return Codec(self)

    def encode(self, value: Any) -> Any:
        """The JSON form of a value.

        Raises:
            Unencodable: the value, or one inside it, is of no known type.
        """
        try:
            form = self.encode_any(value)
        except Unencodable as error:
            with suppress(RecursionError):
                error.path = self._path_to_failure(value) + error.path
            raise
        except RecursionError:
            raise Unencodable(value, "it contains itself, or is nested too deeply") from None
        if is_too_deep(form):
            raise Unencodable(value, "it is nested too deeply: send a key, and read the rest there")
        return form

    def encode_any(self, value: Any) -> Any:
        """As `encode`, without the path in the error: for encoders of containers."""
        encode = self._by_type.get(type(value)) or self._encoder_of(value)
        return encode(value, self)

    def encode_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """The JSON forms of values that go by names, like a call's kwargs.

        Raises:
            Unencodable, RecursionError: as `encode`, which says where and why, would not do it.
        """
        by_type = self._by_type
        found = {}
        for name, item in values.items():
            kind = type(item)
            if item is None or kind is bool or (kind is str and item.isascii()):
                found[name] = item
            else:
                encode = by_type.get(kind) or self._encoder_of(item)
                found[name] = encode(item, self)
        return found

    def encode_part(self, step: str, value: Any) -> Any:
        """As `encode`, for a part of a value that is no container: ``step`` leads to it."""
        try:
            return self.encode(value)
        except Unencodable as error:
            error.path = step + error.path
            raise

    def decode(self, form: Any) -> Any:
        """The value of a JSON form.

        Raises:
            DecodeError: the form is none that `encode` writes.
        """
        try:
            return self.decode_any(form)
        except DecodeError:
            raise
        except MALFORMED as error:
            # The error's own text, and its traceback, may quote the value.
            raise DecodeError(f"A value is malformed ({type(error).__name__}).", form) from None

    def decode_any(self, form: Any) -> Any:
        """As `decode`, with whatever error comes up: for decoders of containers."""
        kind = type(form)
        if kind is dict:
            return self._decode_dict(form)
        return self._decode_list(form) if kind is list else form

    def decode_values(self, forms: dict[str, Any]) -> dict[str, Any]:
        """The values of JSON forms that go by names, like a call's kwargs.

        Raises:
            DecodeError: as `decode`.
        """
        return {
            name: self.decode(form) if (kind := type(form)) is dict or kind is list else form
            for name, form in forms.items()
        }

    def _decode_dict(self, form: dict[str, Any]) -> Any:
        found = {}
        for key, item in form.items():
            if key[:1] == "$":
                decode = self._plain_by_tag.get(key)
                if decode is not None and len(form) == 1:
                    return decode(item)
                return self._decode_tagged(form, key, item)
            kind = type(item)
            if kind is dict:
                found[key] = self._decode_dict(item)
            else:
                found[key] = self._decode_list(item) if kind is list else item
        return found

    def _decode_list(self, form: list[Any]) -> list[Any]:
        found = []
        for item in form:
            kind = type(item)
            if kind is dict:
                found.append(self._decode_dict(item))
            else:
                found.append(self._decode_list(item) if kind is list else item)
        return found

    def _decode_tagged(self, form: dict[str, Any], tag: str, payload: Any) -> Any:
        decode = self._decoder_of(tag)
        if decode is None and tag not in self._plain_by_tag:
            raise NotKnownHere(
                f"A value is of a kind that this process does not know: {brief(tag)}. Is the module "
                f"that calls register_type() for it imported in AppConfig.ready()?",
                form,
            )
        if len(form) != 1:
            raise DecodeError(f"A tagged value has one key, not {len(form)}.", form)
        return decode(payload, self) if decode else self._plain_by_tag[tag](payload)

    def _encoder_of(self, value: object) -> Encoder:
        """The encoder of a value whose type this codec itself does not list."""
        kind = type(value)
        try:
            encode = self._ruled[kind]
        except KeyError:
            found = (encode for applies, encode in self._by_rule if applies(kind))
            encode = self._ruled[kind] = next(found, None)
        if encode is not None:
            return encode
        parent = self._parent
        if parent is None:
            raise Unencodable(value)
        return parent._by_type.get(kind) or parent._encoder_of(value)  # noqa: SLF001 - of its own class

    def _decoder_of(self, tag: str) -> Decoder | None:
        found = self._by_tag.get(tag)
        if found is None and self._parent is not None:
            return self._parent._decoder_of(tag)  # noqa: SLF001 - of its own class
        return found

    def _path_to_failure(self, value: object) -> str:
        """Where in a container encoding failed: a second walk, so that the first is fast."""
        if isinstance(value, dict):
            parts = [(f"[{key!r}]", item) for key, item in value.items()]
            parts += [(f" key {key!r}", key) for key in value]
        elif isinstance(value, (list, tuple)):
            parts = [(f"[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, (set, frozenset)):
            parts = [("{...}", item) for item in value]
        else:
            return ""
        for step, item in parts:
            try:
                self.encode_any(item)
            except Unencodable:
                return step + self._path_to_failure(item)
        return ""
