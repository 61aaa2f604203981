"""Collect the refusals of one declaration, so that its author is told of all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from deferred_signals.errors import ConfigurationError, RegistrationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Refusals"]

P = ParamSpec("P")
T = TypeVar("T")

Refusal = RegistrationError | ConfigurationError


class Refusals:
    """What is wrong with a declaration, as far as the declaration has been checked.

    >>> from deferred_signals.errors import InvalidReceiver
    >>> refusals = Refusals()
    >>> refusals.add(InvalidReceiver("name must be a text, got 3."))
    >>> refusals.add(InvalidReceiver("raw must be True or False, got 1."))
    >>> refusals.raise_found("The receiver cannot be deferred as it is declared")
    Traceback (most recent call last):
        ...
    deferred_signals.errors.InvalidReceiver: The receiver cannot be deferred as it is declared, for 2 reasons:
    - name must be a text, got 3.
    - raw must be True or False, got 1.
    """

    def __init__(self) -> None:
        self._found: list[Refusal] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, *refusals: Refusal) -> None:
        """Note refusals."""
        self._found.extend(refusals)

    def ask(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a check returns; where the check refuses, note the refusal and return None."""
        try:
            return check(*args, **kwargs)
        except (RegistrationError, ConfigurationError) as refusal:
            self.add(refusal)
            return None

    def raise_found(self, what: str) -> None:
        """Raise what was found: a single refusal as it is, several as one error that lists them.

        That error is derived from the classes of all of them, so that whoever catches one of the
        classes catches the error.
        """
        found = list({str(refusal): refusal for refusal in self._found}.values())
        if len(found) == 1:
            raise found[0]
        if found:
            reasons = "".join(f"\n- {refusal}" for refusal in found)
            raise _kind_of(found)(f"{what}, for {len(found)} reasons:{reasons}")


def _kind_of(refusals: Sequence[Refusal]) -> type[Exception]:
    """Return the class of all refusals, or make one that is derived from all of their classes."""
    kinds = list(dict.fromkeys(type(refusal) for refusal in refusals))
    if len(kinds) == 1:
        return kinds[0]
    return type(kinds[0].__name__, tuple(kinds), {"__module__": kinds[0].__module__})
