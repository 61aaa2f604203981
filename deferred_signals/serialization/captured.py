"""Mappings of which a part was captured. Asking for anything else raises an error that tells the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn

__all__ = ["Captured", "CapturedHeaders", "NotCaptured", "refusals"]

#: Where the testing modes collect what a receiver asked for and did not get. The receiver may have
#: caught the error.
refusals: ContextVar[list[str] | None] = ContextVar("deferred_signals_refusals", default=None)


class NotCaptured(AttributeError, KeyError):
    """A receiver asked a request for something that did not travel with the message.

    It is both an ``AttributeError`` and a ``KeyError``, since a request is asked in both ways.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        collected = refusals.get()
        if collected is not None:
            collected.append(message)

    def __str__(self) -> str:
        return str(self.args[0])


class Captured(Mapping[str, Any]):
    """A read-only mapping that answers for the keys that were looked at, and refuses all others.

    For a key that was looked at and was not there, it answers as any mapping does.

    Arguments:
        what: what the mapping stands for, like ``request.META``.
        values: what was found, by key.
        looked_at: keys that were looked at beside those.
        setting: the setting that names what else is to be captured.
    """

    def __init__(
        self, what: str, values: Mapping[str, Any], looked_at: frozenset[str], setting: str
    ) -> None:
        self._what = what
        self._values = {key: value for key, value in values.items() if value is not None}
        self._looked_at = looked_at.union(values)
        self._setting = setting

    def __getitem__(self, key: str) -> Any:
        return self._values[self._known(key)]

    def get(self, key: str, default: Any = None) -> Any:
        """Answer as a dict does, for a key that was looked at.

        Raises:
            NotCaptured: it was not.
        """
        return self._values.get(self._known(key), default)

    def __contains__(self, key: object) -> bool:
        return self._known(key) in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<{self._what} of a message, with {', '.join(sorted(self._values)) or 'nothing'}>"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # Python itself asks, of a copy that is being made
            raise AttributeError(name)
        raise NotCaptured(f"{self._what}.{name} did not travel: {self._advice()}")

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            self._refuse_write()
        super().__setattr__(name, value)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self._refuse_write()

    def __delitem__(self, key: object) -> NoReturn:
        self._refuse_write()

    def _refuse_write(self) -> NoReturn:
        raise TypeError(
            f"{self._what} is what was captured at the send, and what is written to it would be lost: "
            f"write it before the send, in the sender's process."
        )

    def _known(self, key: Any) -> Any:
        if key not in self._looked_at:
            raise NotCaptured(f"{self._what}[{key!r}] did not travel: {self._advice()}")
        return key

    def _advice(self) -> str:
        return (
            f"captured are {', '.join(sorted(self._looked_at)) or 'no keys'}. Name what else the "
            f"receiver needs in DEFERRED_SIGNALS[{self._setting!r}], or read it at send with capture=."
        )


class CapturedHeaders(Captured):
    """Headers, whose names may be in any case, as Django's are."""

    def _known(self, key: Any) -> Any:
        return super()._known(key.title() if isinstance(key, str) else key)
