"""The daemon thread: there when it is needed, and told to be there without a wait."""

import threading

import pytest

from deferred_signals.publishing.daemon import Daemon
from tests.support.processes import wait_until


class Serving:
    """Serves until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        self.go.wait(60)


def test_thread_is_started_once_and_again_when_it_has_ended() -> None:
    serving = Serving()
    daemon = Daemon(serving, "tests.daemon")
    assert [daemon.is_running, daemon.start(), daemon.start(), daemon.is_running] == [
        False,
        True,
        True,
        True,
    ]
    serving.go.set()
    wait_until(lambda: not daemon.is_running, 5, "the end of the thread")
    assert serving.count == 1
    assert daemon.start()
    wait_until(lambda: serving.count == 2, 5, "another thread")


def test_thread_that_runs_is_found_though_another_thread_is_starting_it() -> None:
    # In gevent whoever looks for a living thread lets all other greenlets run, who wait for the lock.
    serving = Serving()
    daemon = Daemon(serving, "tests.daemon")
    assert daemon.start()
    found: list[bool] = []
    with daemon._lock:  # noqa: SLF001 - as in `start`
        other = threading.Thread(target=lambda: found.append(daemon.start()), daemon=True)
        other.start()
        other.join(5)
    serving.go.set()
    assert found == [True]


def test_no_thread_is_said_to_run_where_none_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    daemon = Daemon(Serving(), "tests.daemon")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert not daemon.start()
    assert not daemon.is_running


def test_thread_that_is_forbidden_is_not_started() -> None:
    daemon = Daemon(Serving(), "tests.daemon")
    daemon.forbid()
    assert not daemon.start()
