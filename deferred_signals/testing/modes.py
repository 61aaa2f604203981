"""The modes, each a context manager and a decorator, and `settings()`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.conf import settings as django_settings
from django.test.utils import override_settings

from deferred_signals.blocks import within
from deferred_signals.sending.ways import HERE, Way, using_way
from deferred_signals.testing.collected import Collected

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["inline", "manual", "settings"]

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")


class _Mode(Generic[T]):
    """A way for messages, for the length of a block or of a function's call, async or not."""

    def __init__(self) -> None:
        self._open: list[ExitStack] = []

    def _begin(self) -> tuple[Way, T]:
        raise NotImplementedError

    def __enter__(self) -> T:
        way, given = self._begin()
        stack = ExitStack()
        stack.enter_context(using_way(way))
        self._open.append(stack)
        return given

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.pop().close()

    def __call__(self, function: F) -> F:
        """Decorate a test, sync or async."""
        return within(lambda: self, function)


class inline(_Mode[None]):  # noqa: N801 - used like a function
    """Receivers run in this process as soon as the code under test commits, with all retries.

    As the setting ``EAGER``, for a block or a test. What a receiver raises in the end reaches
    the code under test, unless ``EAGER_PROPAGATES`` is False.
    """

    def _begin(self) -> tuple[Way, None]:
        return HERE, None


class manual(_Mode[Collected]):  # noqa: N801 - used like a function
    """Messages of committed blocks are collected, and nothing runs before the test says so.

    Gives a `Collected`, with the assertions. A rollback of the code under test leaves nothing.
    """

    def _begin(self) -> tuple[Way, Collected]:
        collected = Collected()
        return Way(collected.take, local=True), collected


class settings(override_settings):  # noqa: N801 - named like Django's own
    """`override_settings` for single keys of ``DEFERRED_SIGNALS``: the others stay.

    A context manager, and a decorator of functions and of ``TestCase`` classes.

    >>> with settings(MAX_DEPTH=2):
    ...     django_settings.DEFERRED_SIGNALS["MAX_DEPTH"]
    2
    """

    def __init__(self, **keys: Any) -> None:
        super().__init__(DEFERRED_SIGNALS=keys)
        self._keys = keys

    def enable(self) -> None:
        """Begin, with what is in force now as the rest."""
        present = getattr(django_settings, "DEFERRED_SIGNALS", None) or {}
        self.options = {"DEFERRED_SIGNALS": {**present, **self._keys}}
        super().enable()
