"""A program that sends where a process lacks something, forks, is interrupted or ends.

`python scenario_program.py SCENARIO` runs one of `SCENARIOS`; `tests.support.scenarios` starts it.
The program prints JSON: the fields of `tests.support.scenarios.Outcome`.
"""

import atexit
import ctypes
import faulthandler
import importlib.abc
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
from celery import Celery
from django.conf import settings
from django.dispatch import Signal

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
    DEFERRED_SIGNALS=json.loads(os.environ.get("SETTINGS", "{}")),
)
django.setup()
app = Celery("scenarios", broker=os.environ["BROKER_URL"])
app.conf.task_default_queue = os.environ["QUEUE"]
app.conf.broker_transport_options = json.loads(os.environ.get("TRANSPORT_OPTIONS", "{}"))

from deferred_signals import connect, events, receiver  # noqa: E402 - the settings come first

sys.path.append(str(Path(__file__).parents[2]))  # last, so that an installed package comes first
from tests.support.resting import until_other_threads_rest  # noqa: E402 - the same

# Signals that cache are sent without a lock of Django's, which handlers of Unix signals would meet.
placed = Signal(use_caching=True)


class Told:
    """What this process deferred, and what the lifecycle signals told of it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.published: list[str] = []
        self.lost = 0
        self.failed: list[str] = []
        self.longest = 0.0
        self.children: list[int] = []

    def forget(self) -> None:
        """Forget everything, in a child."""
        self.__init__()  # type: ignore[misc]  # all there is to forget

    def __str__(self) -> str:
        return json.dumps(vars(self))


told = Told()


@receiver(placed, deferred=True, name="scenarios.receive", weak=False)
def receive(sender: object, **kwargs: object) -> None:
    """Never run: no worker reads the queue."""


@receiver(events.message_published, weak=False)
def count_published(sender: str, message: Any, **kwargs: object) -> None:
    told.published.append(message.id)


@receiver(events.publish_failed, weak=False)
def count_lost(sender: None, messages: tuple[Any, ...], **kwargs: object) -> None:
    told.lost += len(messages) or 1
    told.failed += [message.id for message in messages]


def send(count: int = 1) -> None:
    """Send outside of a transaction."""
    for _ in range(count):
        began = time.monotonic()
        results: list[tuple[object, Any]] = [*placed.send(Told)]
        told.longest = max(told.longest, time.monotonic() - began)
        told.sent += [result.id for _, result in results if result is not None]


def without_threads() -> None:
    """Send while no thread can be started, as no stack is that large; and then once more."""
    threading.stack_size(2**40)
    send(3)
    threading.stack_size(0)
    send()


def without_files() -> None:
    """Send while no file can be opened, not even the file of a module."""
    if os.environ.get("WARM"):
        send()
    held = []
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, hard))
    with suppress(OSError):
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    send(3)
    for file in held:
        os.close(file)


def at_exit() -> None:
    """Send in an exit handler, when recent Pythons start no more threads."""
    atexit.register(lambda: sys.stdout.write(str(told)))
    atexit.register(send)


class Finalized:
    """Send when the interpreter is torn down."""

    def __init__(self) -> None:
        self.needs = send, sys.stdout, told, self

    def __del__(self) -> None:
        send_, stdout, told_, _ = self.needs
        send_()
        stdout.write(str(told_))
        stdout.flush()


def at_the_very_end() -> None:
    """Send in a finalizer, when hardly anything works any more."""
    send()
    sys.modules["finalized"] = Finalized()  # type: ignore[assignment]  # what is finalized last


class Dawdling(importlib.abc.MetaPathFinder):
    """Tell that a module is about to be imported, and delay the import."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.importing = threading.Event()

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == self.name:
            self.importing.set()
            time.sleep(0.2)


def fork(make: Callable[[], int] = os.fork, count: int = 1) -> None:
    """Let a child send; a child that hangs is killed after ten seconds."""
    reading, writing = os.pipe()
    child = make()
    if not child:
        signal.alarm(10)
        told.forget()
        send(count)
        os.write(writing, str(told).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as file:  # noqa: PTH123 - a descriptor
        theirs = json.loads(file.read() or "{}")
    told.children.append(os.waitpid(child, 0)[1])
    told.sent += theirs.get("sent", [])
    told.published += theirs.get("published", [])
    told.lost += theirs.get("lost", 0)


def fork_while_importing() -> None:
    """Fork in one thread while the first send of another one imports."""
    finder = Dawdling(os.environ["MODULE"])
    sys.meta_path.insert(0, finder)

    def fork_then() -> None:
        finder.importing.wait(20)
        fork()

    forking = threading.Thread(target=fork_then)
    forking.start()
    send()
    assert finder.importing.is_set(), "it was imported before"
    forking.join()


def fork_while_sending() -> None:
    """Fork in the main thread while others send."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            send()

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        fork()
    stop.set()
    for thread in threads:
        thread.join()


def fork_in_c() -> None:
    """Fork as uWSGI does: none of Python's hooks is called."""
    send(3)
    until_other_threads_rest()
    fork(ctypes.PyDLL(None).fork, 30)
    send(30)


def in_handlers() -> None:
    """Send in a handler of a Unix signal that interrupts sends and itself."""
    send()
    nested = 0

    def handle(*_: object) -> None:
        nonlocal nested
        if nested < 3:
            nested += 1
            send()
            nested -= 1

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        send()
        events.message_published.has_listeners("scenarios.receive")
    signal.setitimer(signal.ITIMER_REAL, 0)


def in_a_handler_among_locks() -> None:
    """Send in a handler of a Unix signal, while the interrupted send holds a lock of kombu's."""
    interruptions = iter([True])

    def route(*_: object, **__: object) -> None:
        with vars(Celery)["amqp"].lock:
            if next(interruptions, False):
                signal.raise_signal(signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, lambda *_: send())
    app.conf.task_routes = (route,)
    send()
    send()


def at_length() -> None:
    """Commit twenty times a second on four threads, for some seconds, and end as a program does."""
    atexit.register(lambda: sys.stdout.write(str(told)))
    until = time.monotonic() + float(os.environ["SECONDS"])

    def go_on() -> None:
        while time.monotonic() < until:
            send()
            time.sleep(0.2)

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def among_bad_neighbours() -> None:
    """Send on eighteen threads, while two more send where the broker refuses them."""
    routes = json.loads(os.environ["BAD_ROUTES"])
    app.conf.task_routes = routes
    signals = {name: Signal(use_caching=True) for name in routes}
    for name, each in signals.items():
        connect(each, lambda sender, **kwargs: None, name=name, weak=False)

    send()
    start = threading.Barrier(20)

    def go_on(bad: Signal | None) -> None:
        for _ in range(10):
            start.wait()
            if bad is None:
                send()
            else:
                bad.send(Told)

    good: list[Signal | None] = [None] * 18
    threads = [threading.Thread(target=go_on, args=(each,)) for each in (*signals.values(), *good)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


SCENARIOS = [
    among_bad_neighbours,
    at_length,
    without_threads,
    without_files,
    at_exit,
    at_the_very_end,
    fork_while_importing,
    fork_while_sending,
    fork_in_c,
    in_handlers,
    in_a_handler_among_locks,
]

if __name__ == "__main__":
    faulthandler.dump_traceback_later(50, exit=True)
    globals()[sys.argv[1]]()
    if not sys.argv[1].startswith("at_"):
        sys.stdout.write(str(told))
