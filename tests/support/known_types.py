"""Types of a project's own, which receivers declare."""

from dataclasses import dataclass, field
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from typing import Any, NamedTuple

from django.db.models import IntegerChoices, TextChoices


class Colour(Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Rights(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Status(TextChoices):
    PAID = "paid", "Paid"


class Grade(IntegerChoices):
    TOP = 1


class Point(NamedTuple):
    x: int
    y: Any = 0


@dataclass
class Plain:
    name: str
    point: Point | None = None
    colours: list[Colour] = field(default_factory=list)

    def __post_init__(self) -> None:
        RAN.append("__post_init__")


@dataclass(frozen=True)
class Frozen:
    key: int
    inner: "Frozen | None" = None


@dataclass(slots=True)
class Slotted:
    a: int
    b: Plain | None = None
    made: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    status: Status
    grades: tuple[Grade, ...] = ()


#: The code that ran, and that should not.
RAN: list[str] = []


def receive(  # noqa: PLR0913, PLR0917 - they are many
    sender: object,
    colour: Colour,
    level: Level,
    word: Word,
    rights: Rights,
    bits: "Bits | None",
    plain: "list[Plain]",
    frozen: dict[str, Frozen],
    slotted: Slotted,
    strict: Strict | None = None,
    **kwargs: object,
) -> None:
    """Declare them all, some only as parts of others."""
