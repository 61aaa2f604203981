"""Lifecycle signals can be used by handlers of Unix signals, whoever holds their locks."""

import threading

import pytest
from django.dispatch import Signal

from deferred_signals import events

every_event = pytest.mark.parametrize("name", events.__all__)


@every_event
def test_thread_that_holds_the_lock_of_an_event_can_use_it(name: str) -> None:
    event: Signal = getattr(events, name)

    def listen(**kwargs: object) -> None: ...

    with event.lock:
        event.connect(listen)
        assert event.has_listeners()
        assert event.disconnect(listen)


def test_django_guards_a_signal_by_its_lock() -> None:
    signal = Signal()
    asked = threading.Thread(target=signal.has_listeners, daemon=True)
    with signal.lock:
        asked.start()
        asked.join(0.2)
        assert asked.is_alive()
    asked.join()
