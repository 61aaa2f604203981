"""Frozen dataclasses that are quick to import.

`dataclasses.dataclass` writes Python code for each class, and compiles that code whenever the class
is imported. That takes a millisecond for each class, whenever a project starts.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, dataclass_transform

if TYPE_CHECKING:
    from dataclasses import Field

__all__ = ["Frozen"]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Frozen:
    """Base of classes that are what ``dataclass(frozen=True, kw_only=True)`` would make of them.

    All such classes share these methods, which look at the fields each time that they are called.
    So derive classes from it of whose values a process makes few.

    >>> class Parcel(Frozen):
    ...     weight: float
    ...     fragile: bool = False
    >>> Parcel(weight=2.5)
    Parcel(weight=2.5, fragile=False)
    >>> Parcel(weight=2.5) == Parcel(weight=2.5, fragile=False)
    True
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)

    def __init__(self, **given: Any) -> None:
        for item in fields(self):
            if item.name in given:
                value = given.pop(item.name)
            elif item.default_factory is not MISSING:
                value = item.default_factory()
            elif item.default is not MISSING:
                value = item.default
            else:
                raise TypeError(f"{type(self).__name__} needs {item.name}=")
            object.__setattr__(self, item.name, value)
        if given:
            raise TypeError(f"{type(self).__name__} has no field {min(given)!r}")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Validate or normalize the values; a subclass may do so."""

    def __repr__(self) -> str:
        values = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self))
        return f"{type(self).__qualname__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, item.name) == getattr(other, item.name) for item in fields(self))

    def __hash__(self) -> int:
        hashed = (item for item in fields(self) if item.hash is not False)
        return hash(tuple(getattr(self, item.name) for item in hashed))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
