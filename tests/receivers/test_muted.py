"""`muted()`: sends defer nothing, here and nowhere else."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, muted
from deferred_signals.receivers import registry
from deferred_signals.receivers.muting import is_muted
from tests.support.connected import Connected


class Listeners:
    """Two receivers of a signal, and which of them a send would defer to."""

    def __init__(self, signal: Signal, defer: Connected) -> None:
        self.signal = signal
        defer(signal, name="tests.one", aliases=["tests.uno"])(self.one)
        defer(signal, name="tests.two")(self.two)

    def one(self, sender: object, **kwargs: object) -> None: ...

    def two(self, sender: object, **kwargs: object) -> None: ...

    @property
    def open(self) -> list[str]:
        found = []
        for name in ("tests.one", "tests.two"):
            receiver = registry.find(name)
            assert receiver is not None
            if not is_muted(receiver, self.signal):
                found.append(name.removeprefix("tests."))
        return found


@pytest.fixture
def listeners(signal: Signal, defer: Connected) -> Listeners:
    return Listeners(signal, defer)


def test_send_gives_none_for_a_muted_receiver_and_encodes_nothing(
    signal: Signal, listeners: Listeners
) -> None:
    with muted():
        assert [result for _, result in signal.send(None, what=object())] == [None, None]


def test_receiver_that_is_not_deferred_still_runs(signal: Signal) -> None:
    ran = []

    def receive(**kwargs: object) -> None:
        ran.append(1)

    signal.connect(receive)
    with muted():
        signal.send(None)
    assert ran == [1]


@pytest.mark.parametrize(
    ("targets", "still_open"),
    [
        (lambda own: (), []),
        (lambda own: (own.signal,), []),
        (lambda own: (Signal(),), ["one", "two"]),
        (lambda own: (own.one,), ["two"]),
        (lambda own: ("tests.one",), ["two"]),
        (lambda own: ("tests.uno",), ["two"]),
        (lambda own: ("tests.nobody",), ["one", "two"]),
        (lambda own: (own.one, "tests.two"), []),
        (lambda own: (print,), ["one", "two"]),
    ],
    ids=[
        "all",
        "signal",
        "other signal",
        "function",
        "name",
        "alias",
        "nobody",
        "both",
        "stranger",
    ],
)
def test_only_what_is_named_is_muted(
    targets: Callable[[Listeners], Any], still_open: list[str], listeners: Listeners
) -> None:
    with muted(*targets(listeners)):
        assert listeners.open == still_open
    assert listeners.open == ["one", "two"]


def test_blocks_add_up(listeners: Listeners) -> None:
    with muted("tests.one"):
        with muted("tests.two"):
            assert listeners.open == []
        assert listeners.open == ["two"]


def test_block_that_fails_ends_too(listeners: Listeners) -> None:
    with pytest.raises(LookupError), muted():
        raise LookupError
    assert listeners.open == ["one", "two"]


def test_one_object_may_be_entered_again_inside_itself(listeners: Listeners) -> None:
    quiet = muted()
    with quiet:
        with quiet:
            assert listeners.open == []
        assert listeners.open == []
    assert listeners.open == ["one", "two"]


def test_other_threads_are_not_muted(listeners: Listeners) -> None:
    seen = []
    with muted():
        thread = threading.Thread(target=lambda: seen.append(listeners.open))
        thread.start()
        thread.join()
    assert seen == [["one", "two"]]


def test_other_tasks_are_not_muted_and_those_begun_inside_are(listeners: Listeners) -> None:
    async def main() -> tuple[list[str], list[str]]:
        entered, done = asyncio.Event(), asyncio.Event()

        async def other() -> list[str]:
            await entered.wait()
            found = listeners.open
            done.set()
            return found

        async def inner() -> list[str]:
            return listeners.open

        outside = asyncio.create_task(other())
        await asyncio.sleep(0)
        with muted():
            inside = asyncio.create_task(inner())
            entered.set()
            await done.wait()
            return await outside, await inside

    assert asyncio.run(main()) == (["one", "two"], [])


def test_one_object_may_be_used_by_several_contexts_at_once(listeners: Listeners) -> None:
    quiet = muted()
    first, second = contextvars.copy_context(), contextvars.copy_context()
    first.run(quiet.__enter__)
    second.run(quiet.__enter__)
    first.run(quiet.__exit__, None, None, None)
    assert first.run(lambda: listeners.open) == ["one", "two"]
    assert second.run(lambda: listeners.open) == []
    second.run(quiet.__exit__, None, None, None)
    assert second.run(lambda: listeners.open) == ["one", "two"]


def test_decorated_function_is_muted_while_it_runs(listeners: Listeners) -> None:
    @muted("tests.one")
    def work(number: int, *, twice: bool = False) -> tuple[list[str], int]:
        """Documented."""
        return listeners.open, number * (2 if twice else 1)

    assert work(7, twice=True) == (["two"], 14)
    assert work.__doc__ == "Documented."
    assert listeners.open == ["one", "two"]


def test_decorated_coroutine_is_muted_while_it_runs(listeners: Listeners) -> None:
    @muted()
    async def work() -> list[str]:
        before = listeners.open
        await asyncio.sleep(0)
        return before + listeners.open

    async def main() -> tuple[list[str], list[str]]:
        waiting = work()
        assert listeners.open == ["one", "two"]
        return await waiting, listeners.open

    assert asyncio.iscoroutinefunction(work)
    assert asyncio.run(main()) == ([], ["one", "two"])


def test_decorated_function_may_call_itself(listeners: Listeners) -> None:
    @muted()
    def work(depth: int) -> list[str]:
        return listeners.open if depth == 0 else work(depth - 1) + listeners.open

    assert work(3) == []
    assert listeners.open == ["one", "two"]


@pytest.mark.parametrize("target", [7, None, ["tests.one"]])
def test_what_is_no_receiver_name_or_signal_is_refused(target: Any) -> None:
    with pytest.raises(InvalidReceiver, match="takes receivers, names of receivers and signals"):
        muted(target)
