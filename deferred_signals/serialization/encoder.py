"""`Encoder`: finds, by a value's type, the function that writes the value's form.

A value's exact type is looked up first. Rules, which may cover derived types, are asked second.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deferred_signals.serialization.nesting import is_too_deep
from deferred_signals.serialization.unencodable import Unencodable

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Writes the form of a value; the encoder is there for values inside that value.
    Encode = Callable[[Any, "Encoder"], Any]

__all__ = ["Encoder"]

#: The remedy for a value that holds too much.
_LESS = "Send a key, and let the receiver read the rest."


class Encoder:
    """The encoding half of a `Codec`.

    Arguments:
        parent: the encoder that is asked for types which this one does not know.
    """

    def __init__(self, parent: Encoder | None = None) -> None:
        self._parent_encoder = parent
        self._by_type: dict[type, Encode] = {}
        self._by_rule: list[tuple[Callable[[type], bool], Encode]] = []
        #: The answer of the rules for each type. They are asked once.
        self._ruled: dict[type, Encode | None] = {}

    def add_encoder(self, kind: type, encode: Encode, *, subclasses: bool = False) -> None:
        """Let a function write the forms of one type's values.

        Arguments:
            kind: the type.
            encode: gives the finished form.
            subclasses: whether types derived from it are meant, too.
        """
        if subclasses:
            self.add_rule(lambda found: issubclass(found, kind), encode)
        else:
            self._by_type[kind] = encode

    def add_rule(self, applies: Callable[[type], bool], encode: Encode) -> None:
        """Let a function write values of all types that a rule accepts.

        The rules are asked in the order in which they were added.
        """
        self._by_rule.append((applies, encode))
        self._ruled.clear()

    def knows_type(self, kind: type) -> bool:
        """Return whether exactly this type was added, to this encoder itself."""
        return kind in self._by_type

    def encode(self, value: Any) -> Any:
        """Write the form of a value.

        Raises:
            Unencodable: the value, or one inside it, cannot travel; the error has the path to it.
        """
        try:
            form = self.encode_any(value)
        except Unencodable as error:
            with suppress(RecursionError):
                error.path = self._path_to_failure(value) + error.path
            raise
        except RecursionError:
            reason = "it contains itself, or is nested too deeply"
            raise Unencodable(value, reason, remedy=_LESS) from None
        if is_too_deep(form):
            raise Unencodable(value, "it is nested too deeply", remedy=_LESS)
        return form

    def encode_any(self, value: Any) -> Any:
        """Write the form of a value inside another one: as `encode`, without path and depth check."""
        encode = self._by_type.get(type(value)) or self._encode_of(value)
        return encode(value, self)

    def encode_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Write the forms of named values, like a call's kwargs.

        Raises:
            Unencodable, RecursionError: a value cannot travel. `encode` tells which one and why.
        """
        by_type = self._by_type
        found = {}
        for name, item in values.items():
            kind = type(item)
            if item is None or kind is bool or (kind is str and item.isascii()):
                found[name] = item
            else:
                encode = by_type.get(kind) or self._encode_of(item)
                found[name] = encode(item, self)
        return found

    def encode_part(self, step: str, value: Any) -> Any:
        """Write the form of an attribute: as `encode`, with a step before the path in an error.

        Arguments:
            step: leads from the owner to the attribute, like ``.city``.
            value: the attribute's value.
        """
        try:
            return self.encode(value)
        except Unencodable as error:
            error.path = step + error.path
            raise

    def _encode_of(self, value: object) -> Encode:
        """Find the function for a value whose exact type was not added to this encoder."""
        kind = type(value)
        try:
            encode = self._ruled[kind]
        except KeyError:
            found = (encode for applies, encode in self._by_rule if applies(kind))
            encode = self._ruled[kind] = next(found, None)
        if encode is not None:
            return encode
        parent = self._parent_encoder
        if parent is None:
            raise Unencodable(value)
        return parent._by_type.get(kind) or parent._encode_of(value)  # noqa: SLF001 - of its own class

    def _path_to_failure(self, value: object) -> str:
        """Find where in a container encoding failed.

        This second walk keeps the first one fast.
        """
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
