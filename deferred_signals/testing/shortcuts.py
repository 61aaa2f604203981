"""The assertions as functions: they ask the innermost `manual` that is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deferred_signals.testing.collected import in_force

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from deferred_signals.testing.collected import Call, Collected
    from deferred_signals.testing.matching import Target
    from deferred_signals.testing.ran import Ran

__all__ = ["all_deferred", "assert_deferred", "refute_deferred", "run_deferred"]


def all_deferred(receiver: Target | None = None, /, **kwargs: Any) -> list[Call]:
    """Call `Collected.all_deferred` of the innermost `manual`.

    Raises:
        RuntimeError: no `manual` is in force.
    """
    return _innermost().all_deferred(receiver, **kwargs)


def assert_deferred(receiver: Target, /, **kwargs: Any) -> Call:
    """Call `Collected.assert_deferred` of the innermost `manual`.

    Raises:
        AssertionError: no such call waits.
        RuntimeError: no `manual` is in force.
    """
    return _innermost().assert_deferred(receiver, **kwargs)


def refute_deferred(receiver: Target, /, **kwargs: Any) -> None:
    """Call `Collected.refute_deferred` of the innermost `manual`.

    Raises:
        AssertionError: such a call waits.
        RuntimeError: no `manual` is in force.
    """
    _innermost().refute_deferred(receiver, **kwargs)


def run_deferred(
    receiver: Target | None = None,
    /,
    *,
    waits: Sequence[float | timedelta] | None = None,
    raises: bool = True,
) -> list[Ran]:
    """Call `Collected.run_deferred` of the innermost `manual`.

    Raises:
        AssertionError: the seconds between attempts were others than ``waits``.
        Exception: the one with which the first message failed, unless ``raises`` is False.
        RuntimeError: no `manual` is in force.
    """
    return _innermost().run_deferred(receiver, waits=waits, raises=raises)


def _innermost() -> Collected:
    if not in_force:
        raise RuntimeError(
            "No messages are collected here: call this inside `with manual():`, in a test that is "
            "decorated with @manual(), or in one that has the fixture `deferred_signals`."
        )
    return in_force[-1]
