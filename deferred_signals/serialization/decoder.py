"""`Decoder`: finds, by a form's tag, the function that reads the value.

Only code adds tags. A message chooses among them, and names nothing that would be imported or called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import FieldDoesNotExist

from deferred_signals.errors import DecodeError, NotKnownHere
from deferred_signals.serialization.unencodable import brief

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MALFORMED", "Decoder"]

#: What reading a form may raise where no encoder wrote it.
MALFORMED = (
    ArithmeticError,
    AttributeError,
    FieldDoesNotExist,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class Decoder:
    """The decoding half of a `Codec`.

    Arguments:
        parent: the decoder that is asked for tags which this one does not know.
    """

    def __init__(self, parent: Decoder | None = None) -> None:
        self._parent_decoder = parent
        self._by_tag: dict[str, Callable[[Any, Decoder], Any]] = {}
        #: Those that `add_raw_decoder` added at the root. All children share them, since they are
        #: looked up first and most often.
        self._raw_by_tag: dict[str, Callable[[Any], Any]] = (
            {} if parent is None else parent._raw_by_tag  # noqa: SLF001 - of its own class
        )

    def add_decoder(self, tag: str, decode: Callable[[Any], Any]) -> None:
        """Let a function make values of what stands under a tag, which is decoded before."""
        self._by_tag[tag] = lambda content, decoder: decode(decoder.decode_any(content))

    def add_raw_decoder(self, tag: str, decode: Callable[[Any], Any]) -> None:
        """Let a function make values of what stands under a tag, as it stands there."""
        if self._parent_decoder is None:
            self._raw_by_tag[tag] = decode
        else:
            self._by_tag[tag] = lambda content, _decoder: decode(content)

    def knows_tag(self, tag: str) -> bool:
        """Return whether the tag was added."""
        return tag in self._by_tag or tag in self._raw_by_tag

    def decode(self, form: Any) -> Any:
        """Read the value of a form.

        Raises:
            DecodeError: no encoder writes such a form.
        """
        try:
            return self.decode_any(form)
        except DecodeError:
            raise
        except MALFORMED as error:
            # The error's own text, and its traceback, may quote the value.
            raise DecodeError(f"A value is malformed ({type(error).__name__}).", form) from None

    def decode_any(self, form: Any) -> Any:
        """Read the value of a form inside another one: as `decode`, but errors are not converted."""
        kind = type(form)
        if kind is dict:
            return self._decode_dict(form)
        return self._decode_list(form) if kind is list else form

    def decode_values(self, forms: dict[str, Any]) -> dict[str, Any]:
        """Read the values of named forms, like a call's kwargs.

        Raises:
            DecodeError: no encoder writes such a form.
        """
        return {
            name: self.decode(form) if (kind := type(form)) is dict or kind is list else form
            for name, form in forms.items()
        }

    def _decode_dict(self, form: dict[str, Any]) -> Any:
        found = {}
        for key, item in form.items():
            if key[:1] == "$":
                decode = self._raw_by_tag.get(key)
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

    def _decode_tagged(self, form: dict[str, Any], tag: str, content: Any) -> Any:
        decode = self._decode_of(tag)
        if decode is None and tag not in self._raw_by_tag:
            raise NotKnownHere(
                f"A value has the tag {brief(tag)}, which this process does not know. Import the "
                f"module that calls register_type() for it in AppConfig.ready().",
                form,
            )
        if len(form) != 1:
            raise DecodeError(f"A tagged value has one key, not {len(form)}.", form)
        return decode(content, self) if decode else self._raw_by_tag[tag](content)

    def _decode_of(self, tag: str) -> Callable[[Any, Decoder], Any] | None:
        found = self._by_tag.get(tag)
        if found is None and self._parent_decoder is not None:
            return self._parent_decoder._decode_of(tag)  # noqa: SLF001 - of its own class
        return found
