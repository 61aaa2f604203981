"""A receiver that keeps what it was called with."""

from typing import Any

import pytest
from django.dispatch import Signal

from tests.support.connected import Connected


class Recorder:
    """Keeps the kwargs of every call, the sender among them."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, sender: object, **kwargs: Any) -> None:
        self.calls.append({**kwargs, "sender": sender})

    def __getitem__(self, name: str) -> Any:
        """A kwarg of the only call."""
        (call,) = self.calls
        return call[name]

    def clear(self) -> None:
        """Forget the calls so far."""
        self.calls.clear()


@pytest.fixture
def got(signal: Signal, defer: Connected) -> Recorder:
    """What reaches a deferred receiver of the test's signal."""
    recorder = Recorder()
    defer(signal)(recorder)
    return recorder


def listen(defer: Connected, signal: Signal | list[Signal], **options: Any) -> Recorder:
    """A recorder that is deferred with options."""
    recorder = Recorder()
    defer(signal, **options)(recorder)
    return recorder


def changes(recorder: Recorder) -> list[dict[str, Any]]:
    """What `changed()` told a receiver, of each call."""
    return [call["changes"] for call in recorder.calls]


def take_changes(recorder: Recorder) -> list[dict[str, Any]]:
    """What `changed()` told a receiver since this was last asked."""
    told = changes(recorder)
    recorder.clear()
    return told
