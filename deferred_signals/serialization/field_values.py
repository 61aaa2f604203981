"""`FIELDS`: the codec for values of model fields, which knows plain values alone.

A field or a key never holds a row, a request, a class or a type of the project's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deferred_signals.serialization import containers, derived, moments, values
from deferred_signals.serialization.codec import Codec

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["FIELDS"]

#: Digits of the largest number that a field is given. A short text like 1E+999999999 is a number of
#: which an IntegerField would write all digits.
MOST_DIGITS = 5000


def _decode_decimal(text: str) -> Decimal:
    number = values.decode_decimal(text)
    if number.is_finite() and not -MOST_DIGITS <= number.adjusted() <= MOST_DIGITS:
        raise ValueError("a number is too large for a field")
    return number


def _decode_int(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError("a number is too large for a field")
    return values.decode_int(text)


FIELDS = Codec()
for _family in (containers, values, moments, derived):
    _family.install(FIELDS)
FIELDS.add_raw_decoder("$safe", str)
FIELDS.add_raw_decoder("$decimal", _decode_decimal)
FIELDS.add_raw_decoder("$int", _decode_int)
