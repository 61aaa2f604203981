"""Note what a receiver does, while its source is read in the order in which it would run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Notes", "Path", "Write"]

#: A kwarg's name, and the attributes that lead from it to a value.
Path = tuple[str, ...]


@dataclass
class Write:
    """One write on what a receiver was given.

    Attributes:
        path: what is written. A path of one name is an item of that kwarg: ``context["x"] = 1``.
        saved: how the object is saved afterwards: not at all, all of it, or some fields.
        read: whether what was written is read afterwards.
        handed_on: whether what was written, or its object, is given to other code afterwards.
    """

    path: Path
    saved: Literal["", "whole", "fields"] = ""
    read: bool = False
    handed_on: bool = False

    @property
    def owner(self) -> Path:
        """Return the path of the object that is written on."""
        return self.path[:-1] or self.path


class Notes:
    """The notes of what a receiver reads and writes of its kwargs."""

    def __init__(self) -> None:
        self.reads: set[Path] = set()
        self._written: set[Path] = set()
        self._writes: list[Write] = []
        self._copies: set[Path] = set()
        self._updated: set[str] = set()

    @property
    def writes(self) -> tuple[Write, ...]:
        """Return all writes, except those on copies and those of fields that a query writes as well."""
        return tuple(write for write in self._writes if write.path[-1] not in self._updated)

    def read(self, path: Path) -> None:
        """Note that an attribute is asked for."""
        if path not in self._written:
            self.reads.add(path)
        for write in self._writes:
            write.read |= write.path == path

    def write(self, path: Path) -> None:
        """Note that an attribute, or an item of a kwarg, is set or deleted."""
        self._written.add(path)
        if path[:-1] not in self._copies:
            self._writes.append(Write(path))

    def hand_on(self, path: Path) -> None:
        """Note that other code gets an object, and all that was written on it before."""
        for write in self._writes:
            write.handed_on |= write.path[: len(path)] == path

    def save(self, path: Path, *, fields: bool) -> None:
        """Note that an object is saved: some of its fields, or all."""
        for write in self._writes:
            if write.owner[: len(path)] == path and not write.saved:
                write.saved = "fields" if fields else "whole"

    def update(self, names: Iterable[str]) -> None:
        """Note that a query writes fields: ``Order.objects.filter(...).update(status="paid")``."""
        self._updated.update(names)

    def copy(self, path: Path) -> None:
        """Note that an object is a new row from now on: ``instance.pk = None``."""
        self._copies.add(path)
        self._writes = [write for write in self._writes if write.path[: len(path)] != path]
