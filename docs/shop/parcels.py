"""Types of the project's own, as a receiver may declare them."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Flag
from typing import NamedTuple


class Size(NamedTuple):
    """In centimetres."""

    width: int
    height: int


class Handling(Flag):
    """How a parcel is to be handled."""

    FRAGILE = 1
    COLD = 2


@dataclass(frozen=True)
class Parcel:
    """What is sent to a customer."""

    weight: Decimal
    size: Size
