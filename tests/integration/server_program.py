"""A program that publishes as a web server of a kind does: `python server_program.py prefork|gevent`.

The program prints the id of each deferred message on a line, and then the seconds of the longest commit.
"""

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

import os
import threading
import time

import django
from celery import Celery
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal

THREADS, COMMITS = 4, 5

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
)
django.setup()
app = Celery("server", broker=os.environ["BROKER_URL"])
app.conf.task_default_queue = os.environ["QUEUE"]

from deferred_signals import Deferred, receiver  # noqa: E402 - the settings come first

placed = Signal()
waits: list[float] = []


@receiver(placed, deferred=True, name="server.receive")
def receive(sender: object, **kwargs: object) -> None:
    """Never run: no worker reads the queue."""


def sent() -> list[Deferred]:
    """Send once."""
    results: list[tuple[object, object]] = [*placed.send(None)]
    return [result for _, result in results if isinstance(result, Deferred)]


def commit(count: int) -> None:
    """Send so often in one transaction, and print the ids."""
    began = time.monotonic()
    with transaction.atomic():
        ids = [result.id for _ in range(count) for result in sent()]
    waits.append(time.monotonic() - began)
    sys.stdout.write("".join(f"{id_}\n" for id_ in ids))
    sys.stdout.flush()


def commit_often() -> None:
    for _ in range(COMMITS):
        commit(3)


def commit_in_threads() -> None:
    threads = [threading.Thread(target=commit_often) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if sys.argv[1] == "prefork":
    commit(2)  # so that the line is there before the children are
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            commit_in_threads()
            os._exit(0)
        children.append(child)
    commit_in_threads()
    if {os.waitpid(child, 0)[1] for child in children} != {0}:
        sys.exit("a child failed")
    commit(2)
else:
    commit_in_threads()
sys.stdout.write(f"{max(waits)}\n")
