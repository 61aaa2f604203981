"""Types that a receiver declares, each with code of its own that no message may run."""

from dataclasses import dataclass
from enum import Enum, Flag
from typing import Any, NamedTuple

from deferred_signals.serialization import codec_for
from tests.app.fields import RAN

__all__ = ["CODEC", "Basket", "Colour", "Key", "Pair", "Rights"]


class Colour(Enum):
    """An enum whose unknown values must not be asked for."""

    RED = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        del value
        RAN.append("_missing_")


class Rights(Flag):
    """A flag that the receiver declares."""

    READ = 1
    WRITE = 2


class Pair(NamedTuple):
    """A type that the receiver declares."""

    one: Any
    two: Any


@dataclass
class Basket:
    """A type that the receiver declares, whose constructor must not run."""

    order: Any

    def __post_init__(self) -> None:
        RAN.append("__post_init__")


@dataclass(frozen=True)
class Key:
    """A type that the receiver declares, which hashes by code of its own."""

    order: Any

    def __hash__(self) -> int:
        RAN.append("__hash__")
        return 1


def receive(
    sender: object,
    colour: Colour,
    rights: Rights,
    pair: Pair,
    basket: Basket,
    key: Key,
    **kwargs: object,
) -> None:
    """Declare the types."""


#: What decodes the kwargs of that receiver.
CODEC = codec_for(receive, carry=("note", "order.note"))
