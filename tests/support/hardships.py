"""A program that sends in hardship: `python hardships.py SCENARIO`, see `SCENARIOS`.

Prints JSON: the ids of the messages that were deferred, those that were said to be published, how many
calls and messages were said to be lost, and the longest seconds of a send.
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
from typing import Any

import django
from celery import Celery
from django.conf import settings
from django.dispatch import Signal

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
)
django.setup()
app = Celery("hardships", broker=os.environ["BROKER_URL"])
app.conf.task_default_queue = os.environ["QUEUE"]

from deferred_signals import events, receiver  # noqa: E402 - the settings come first

# Signals that cache are sent without a lock of Django's, which handlers of Unix signals would meet.
placed = Signal(use_caching=True)


class Told:
    """What this process deferred, and what it was told of it."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.published: list[str] = []
        self.lost = 0
        self.longest = 0.0
        self.children: list[int] = []

    def forget(self) -> None:
        """Begin anew in a child."""
        self.__init__()  # type: ignore[misc]  # all there is to forget

    def __str__(self) -> str:
        return json.dumps(vars(self))


told = Told()


@receiver(placed, deferred=True, name="hardships.receive", weak=False)
def receive(sender: object, **kwargs: object) -> None:
    """Nobody works on the queue."""


@receiver(events.message_published, weak=False)
def count_published(sender: str, message: Any, **kwargs: object) -> None:
    told.published.append(message.id)


@receiver(events.publish_failed, weak=False)
def count_lost(sender: None, messages: tuple[object, ...], **kwargs: object) -> None:
    told.lost += len(messages) or 1


def send(count: int = 1) -> None:
    """Send outside of a transaction."""
    for _ in range(count):
        began = time.monotonic()
        results: list[tuple[object, Any]] = [*placed.send(Told)]
        told.longest = max(told.longest, time.monotonic() - began)
        told.sent += [result.id for _, result in results if result is not None]


def without_threads() -> None:
    """No thread can be started at first: no stack is as large as this."""
    threading.stack_size(2**40)
    send(3)
    threading.stack_size(0)
    send()


def without_files() -> None:
    """No file can be opened, at first not even those of modules."""
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
    """The process is about to end: late Pythons start no more threads."""
    atexit.register(lambda: sys.stdout.write(str(told)))
    atexit.register(send)


class Finalized:
    """Sends when the interpreter is taken apart."""

    def __init__(self) -> None:
        self.needs = send, sys.stdout, told, self

    def __del__(self) -> None:
        send_, stdout, told_, _ = self.needs
        send_()
        stdout.write(str(told_))
        stdout.flush()


def at_the_very_end() -> None:
    """Hardly anything works any more."""
    send()
    sys.modules["finalized"] = Finalized()  # type: ignore[assignment]  # what is finalized last


class Dawdling(importlib.abc.MetaPathFinder):
    """Tells that a module is about to be imported, and takes its time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.importing = threading.Event()

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == self.name:
            self.importing.set()
            time.sleep(0.2)


def fork(make: Callable[[], int] = os.fork, count: int = 1) -> None:
    """Let a child send, and end it where it hangs."""
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
    """A thread forks while another one's first send imports."""
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
    """The main thread forks while others send."""
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
    """As uWSGI does: no hook of Python's is called."""
    send(3)
    fork(ctypes.PyDLL(None).fork, 30)
    send(30)


def in_handlers() -> None:
    """A handler of a Unix signal sends in the midst of sends, and of itself."""
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
        events.message_published.has_listeners("hardships.receive")
    signal.setitimer(signal.ITIMER_REAL, 0)


def in_a_handler_among_locks() -> None:
    """A handler of a Unix signal sends while the send that it interrupts holds a lock of kombu's."""
    interruptions = iter([True])

    def route(*_: object, **__: object) -> None:
        with vars(Celery)["amqp"].lock:
            if next(interruptions, False):
                signal.raise_signal(signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, lambda *_: send())
    app.conf.task_routes = (route,)
    send()
    send()


SCENARIOS = [
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
