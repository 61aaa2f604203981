"""The testing modes, each a context manager and a decorator, and `settings()`."""

from __future__ import annotations

import unittest
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.conf import settings as django_settings
from django.test.utils import override_settings

from deferred_signals.sending.destinations import (
    HERE,
    LIVE,
    Destination,
    report_kept,
    using_destination,
)
from deferred_signals.sending.endings import seeing_ends
from deferred_signals.support.blocks import within
from deferred_signals.testing.collected import Collected, in_force
from deferred_signals.testing.leaks import check_choice, tell
from deferred_signals.testing.stale import tell_of_stale_instances, watching_instances
from deferred_signals.testing.strict import check_wires
from deferred_signals.testing.tidy import forgetting_local_receivers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from deferred_signals.message.outgoing import Outgoing
    from deferred_signals.testing.leaks import Leaks

__all__ = ["inline", "live", "manual", "settings"]

F = TypeVar("F", bound="Callable[..., Any]")
T = TypeVar("T")


class _Mode(Generic[T]):
    """Decide where messages go, during a block, a function's call or each test of a class.

    A receiver that is declared meanwhile inside of a function is forgotten at the end: no worker
    could find it.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._open: list[tuple[T, ExitStack]] = []

    def begin(self) -> T:
        """Begin, as ``with`` does; for harnesses that begin and end in two functions."""
        stack = ExitStack()
        stack.enter_context(forgetting_local_receivers())
        stack.enter_context(seeing_ends())
        given = self._enter(stack)
        self._open.append((given, stack))
        return given

    def verify(self) -> None:
        """Check what ``strict`` and ``leaks`` ask for, at the end of a test that passed.

        Raises:
            AssertionError: a check failed.
        """
        self._verify(self._open[-1][0])

    def end(self) -> None:
        """End the mode that was begun last."""
        self._open.pop()[1].close()

    def __enter__(self) -> T:
        return self.begin()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.verify()
        finally:
            self.end()

    def __call__(self, target: F) -> F:
        """Decorate a test, sync or async, or a class of tests."""
        if isinstance(target, type):
            _decorate_class(target, self._again)
            return target
        return within(self._again, target)

    def _again(self) -> _Mode[T]:
        return type(self)(**self._options)

    def _enter(self, stack: ExitStack) -> T:
        raise NotImplementedError

    def _verify(self, given: T) -> None:
        raise NotImplementedError


class inline(_Mode[None]):  # noqa: N801 - used like a function
    """Run receivers in this process as soon as the code under test commits, with all retries.

    This is the setting ``EAGER`` for a block or a test. The exception of a receiver's last attempt
    reaches the code under test, unless ``EAGER_PROPAGATES`` is False.

    Arguments:
        strict: as in `manual`.
    """

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._wires: list[str] = []

    def _enter(self, stack: ExitStack) -> None:
        stack.enter_context(watching_instances())
        stack.enter_context(using_destination(Destination(self._leave, local=True, raises=True)))

    def _leave(self, batch: Sequence[Outgoing]) -> None:
        self._wires += [outgoing.payload for outgoing in batch]
        try:
            HERE.take(batch)
        finally:
            tell_of_stale_instances()

    def _verify(self, given: None) -> None:
        del given
        if self._options["strict"]:
            check_wires(self._wires)


class manual(_Mode[Collected]):  # noqa: N801 - used like a function
    """Collect the messages of committed blocks, and run none before the test says so.

    ``with manual() as deferred`` gives a `Collected`, which has the assertions. Messages of blocks
    that the code under test rolls back are not collected.

    Arguments:
        strict: at the end, ask a fresh process that is set up like a worker, and has nothing but
            the messages, whether it knows each message's receiver and can decode its values.
        leaks: what to do at the end about messages that were neither run nor looked at:
            ``"warn"``, ``"fail"`` or ``"off"``.
    """

    def __init__(self, *, strict: bool = False, leaks: Leaks = "off") -> None:
        check_choice(leaks)
        super().__init__(strict=strict, leaks=leaks)

    def _enter(self, stack: ExitStack) -> Collected:
        collected = Collected()
        stack.enter_context(watching_instances())
        stack.enter_context(using_destination(Destination(collected.take, local=True, raises=True)))
        in_force.append(collected)
        stack.callback(in_force.remove, collected)
        return collected

    def _verify(self, given: Collected) -> None:
        if self._options["strict"]:
            check_wires(given.wires)
        tell(
            self._options["leaks"],
            "deferred and neither run nor looked at",
            [str(call) for call in given.left()],
            "Run them with run_deferred(), or assert that they were deferred.",
        )


class live(_Mode[None]):  # noqa: N801 - used like a function
    """Publish messages to the broker, as in production: for tests that run workers of their own.

    Without this mode or the setting ``PUBLISH_IN_TESTS`` a test publishes nothing: workers on a
    developer's broker would act on other rows than the test's. In a ``TestCase`` nothing is
    published in this mode either, as its transaction is never committed.
    """

    def __init__(self) -> None:
        super().__init__()

    def _enter(self, stack: ExitStack) -> None:
        stack.enter_context(using_destination(LIVE))
        stack.callback(report_kept)

    def _verify(self, given: None) -> None:
        """Check nothing: no message was collected."""


class settings(override_settings):  # noqa: N801 - named like Django's own
    """Override single keys of ``DEFERRED_SIGNALS``, and keep the others.

    Like Django's `override_settings`, this is a context manager, and a decorator of functions and
    of ``TestCase`` classes.

    >>> with settings(MAX_DEPTH=2):
    ...     django_settings.DEFERRED_SIGNALS["MAX_DEPTH"]
    2
    """

    def __init__(self, **keys: Any) -> None:
        super().__init__(DEFERRED_SIGNALS=keys)
        self._keys = keys

    def enable(self) -> None:
        """Begin; the other keys keep the values that they have now."""
        present = getattr(django_settings, "DEFERRED_SIGNALS", None) or {}
        self.options = {"DEFERRED_SIGNALS": {**present, **self._keys}}
        super().enable()


def _decorate_class(cls: type[Any], make: Callable[[], _Mode[Any]]) -> None:
    """Make each test of a class run in a mode of its own, ``setUp`` and clean-ups included."""
    if not issubclass(cls, unittest.TestCase):
        for name, value in list(vars(cls).items()):
            if name.startswith("test") and callable(value):
                setattr(cls, name, make()(value))
        return
    set_up: Callable[[Any], None] = cls.setUp

    @wraps(set_up)
    def in_mode(self: unittest.TestCase) -> None:
        self.enterContext(make())
        set_up(self)

    cls.setUp = in_mode  # type: ignore[method-assign]  # as Django's own decorators of classes do
