"""`Codec`: writes values as forms, and reads forms as values.

A form is what JSON can hold. JSON's own values are their own forms: None, bool, int of 64 bits,
finite float, str, list, and dict whose keys are ASCII strings that do not begin with ``$``. The form
of any other value is a dict with one key, the tag: ``{"$set": [1, 2]}``. A dict that could be
mistaken for a tagged form is tagged itself, ``{"$dict": [[key, value], ...]}``, so that each form
has one meaning only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deferred_signals.serialization.decoder import Decoder
from deferred_signals.serialization.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Codec"]


class Codec(Encoder, Decoder):
    """What can travel: the types that have an encoder, and the tags that have a decoder.

    A codec is empty when it is made. The families of this package teach it.

    Arguments:
        parent: the codec that knows what this one does not.
    """

    def __init__(self, parent: Codec | None = None) -> None:
        Encoder.__init__(self, parent)
        Decoder.__init__(self, parent)

    def add(
        self, kind: type, tag: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any]
    ) -> None:
        """Teach the codec exactly one type; types derived from it stay unknown.

        Arguments:
            kind: the type.
            tag: the key under which the value is written; it begins with ``$``.
            encode: gives a value that the codec encodes in turn.
            decode: makes a value of what ``encode`` gave.
        """
        self.add_encoder(kind, lambda value, encoder: {tag: encoder.encode_any(encode(value))})
        self.add_decoder(tag, decode)

    def add_raw(
        self, kind: type, tag: str, encode: Callable[[Any], Any], decode: Callable[[Any], Any]
    ) -> None:
        """Teach the codec one type as `add` does, where ``encode`` gives a finished form.

        Arguments:
            kind: the type.
            tag: the key under which the value is written; it begins with ``$``.
            encode: gives what stands under the tag: texts, ints of 64 bits, or lists of them.
            decode: makes a value of what stands under the tag.
        """
        self.add_encoder(kind, lambda value, _encoder: {tag: encode(value)})
        self.add_raw_decoder(tag, decode)

    def child(self) -> Codec:
        """Return a codec that knows all that this one does or will know, and can be taught more."""
        return Codec(self)
