"""Frozen values behave as frozen dataclasses do."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from deferred_signals.support.frozen import Frozen


class Ours(Frozen):
    """Made by the library."""

    number: int
    names: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))


@dataclass(frozen=True, kw_only=True)
class Pythons:
    """The same, by Python."""

    number: int
    names: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))


both = pytest.mark.parametrize("make", [Ours, Pythons])
Make = Callable[..., Any]


@both
def test_values_are_set_and_normalized(make: Make) -> None:
    value = make(number=1, names=["a"])
    assert (value.number, value.names, value.notes) == (1, ("a",), {})
    assert make(number=1).notes is not value.notes
    assert repr(value) == f"{make.__name__}(number=1, names=('a',), notes={{}})"


@both
def test_equal_values_are_equal_and_of_one_hash(make: Make) -> None:
    assert make(number=1) == make(number=1, names=())
    assert hash(make(number=1)) == hash(make(number=1, notes={"a": "b"}))
    assert make(number=1) != make(number=2)
    assert make(number=1) != (1, (), {})


@both
@pytest.mark.parametrize("given", [{}, {"number": 1, "other": 2}])
def test_missing_and_unknown_values_are_refused(make: Make, given: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=r"number|other"):
        make(**given)


@both
def test_nothing_can_be_set_or_deleted(make: Make) -> None:
    value = make(number=1)
    with pytest.raises(FrozenInstanceError, match="number"):
        value.number = 2
    with pytest.raises(FrozenInstanceError, match="number"):
        del value.number


@both
def test_functions_of_dataclasses_know_it(make: Make) -> None:
    assert replace(make(number=1, names=("a",)), number=2) == make(number=2, names=("a",))
    assert [item.name for item in fields(make(number=1))] == ["number", "names", "notes"]
