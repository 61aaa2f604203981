"""`Recorder`: a receiver that keeps what it was called with. Start here to see what arrives."""

from typing import Any

import pytest
from django.dispatch import Signal

from tests.support.connected import Connected, running


class Recorder:
    """Keep the kwargs of every call, the sender among them; fail as often as the test says.

    Attributes:
        calls: the kwargs of each call, with `sender` and `signal`.
        attempts: the number of each call's attempt.
        failures: how many of the first calls fail.
    """

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[dict[str, Any]] = []
        self.attempts: list[int] = []
        self.failures = failures

    def __call__(self, sender: object, **kwargs: Any) -> None:
        self.calls.append({**kwargs, "sender": sender})
        self.attempts.append(running().attempt)
        if len(self.calls) <= self.failures:
            raise ConnectionError("the mail server is away")

    def __getitem__(self, name: str) -> Any:
        """Return a kwarg of the only call."""
        (call,) = self.calls
        return call[name]

    @property
    def kwargs(self) -> list[dict[str, Any]]:
        """Return the kwargs of each call, without `sender` and `signal`."""
        return [
            {name: value for name, value in call.items() if name not in {"sender", "signal"}}
            for call in self.calls
        ]

    def clear(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()
        self.attempts.clear()


@pytest.fixture
def got(signal: Signal, defer: Connected) -> Recorder:
    """Record what reaches a deferred receiver of the test's signal."""
    return listen(defer, signal)


def listen(defer: Connected, signal: Signal | list[Signal], **options: Any) -> Recorder:
    """Defer a recorder with options, and return it."""
    recorder = Recorder()
    defer(signal, **options)(recorder)
    return recorder


def changes(recorder: Recorder) -> list[dict[str, Any]]:
    """Return the kwarg `changes` of each call: what `changed()` told."""
    return [call["changes"] for call in recorder.calls]


def take_changes(recorder: Recorder) -> list[dict[str, Any]]:
    """Return the kwarg `changes` of each call since the last time, and forget the calls."""
    told = changes(recorder)
    recorder.clear()
    return told
