"""Objects that tell whoever asks them for anything; the map must not ask."""

from typing import Any, NoReturn

__all__ = ["Hostile", "HostileClass"]


class Asked(BaseException):
    """Somebody ran code of a foreign object."""


class HostileClass(type):
    """The class of a class that nobody may ask for an attribute."""

    def __getattribute__(cls, name: str) -> NoReturn:
        raise Asked

    def __repr__(cls) -> NoReturn:
        raise Asked


class Hostile:
    """May be called and hashed, as a receiver must, and refuses anything else."""

    def __call__(self, **kwargs: Any) -> None: ...

    def __hash__(self) -> int:
        return id(self)

    @property  # type: ignore[misc]  # not what a class should do
    def __class__(self) -> NoReturn:  # type: ignore[override]  # as above
        raise Asked

    def __getattr__(self, name: str) -> NoReturn:
        raise Asked

    def __eq__(self, other: object) -> NoReturn:
        raise Asked

    def __bool__(self) -> NoReturn:
        raise Asked

    def __str__(self) -> NoReturn:
        raise Asked

    def __repr__(self) -> NoReturn:
        raise Asked
