"""A project whose processes commit messages until they end; a ledger counts what becomes of them.

It is a WSGI application, a Celery app whose worker commits in a receiver, and a program:
`python -m tests.integration.counted_program FUNCTION`.
"""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
import time

import django
from celery import Celery
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFERRED_SIGNALS=json.loads(os.environ.get("SETTINGS", "{}")),
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
    ROOT_URLCONF=__name__,
)
django.setup()
app = Celery("counted", broker=os.environ["BROKER_URL"])
app.conf.update(
    broker_read_url=os.environ.get("READ_URL", os.environ["BROKER_URL"]),
    task_default_queue=os.environ["QUEUE"],
    worker_prefetch_multiplier=1,
)

from deferred_signals import Deferred, receiver  # noqa: E402 - the settings come first
from tests.support.ledger import Ledger  # noqa: E402 - the same
from tests.support.resting import until_other_threads_rest  # noqa: E402 - the same

#: Seconds between two commits of one thread.
PAUSE = 0.2

ledger = Ledger(os.environ["LEDGER"])
placed = Signal()
asked = Signal()


@receiver(placed, deferred=True, name="counted.receive")
def receive(sender: object, **kwargs: object) -> None:
    """Never run: no worker reads the queue."""


@receiver(asked, deferred=True, name="counted.commit", queue=f"{os.environ['QUEUE']}.asked")
def commit_on_worker(sender: object, **kwargs: object) -> None:
    """Commit on a worker."""
    commit()
    time.sleep(PAUSE / 2)


def commit() -> None:
    """Commit one message, and note it."""
    began = time.monotonic()
    with transaction.atomic():
        results: list[tuple[object, object]] = [*placed.send(None)]
    [(_, result)] = results
    assert isinstance(result, Deferred)
    ledger.note_sent(result.id, time.monotonic() - began)


def view(request: HttpRequest) -> HttpResponse:
    """Commit in a request."""
    commit()
    return HttpResponse(b"committed")


urlpatterns = [path("", view)]
application = get_wsgi_application()


def ask() -> None:
    """Ask the worker for so many commits."""
    for _ in range(int(os.environ["COUNT"])):
        asked.send(None)


def commit_briefly() -> None:
    """Commit a few times and end, as a job of cron's does."""
    for _ in range(20):
        commit()


def fork_in_c() -> None:
    """Fork as C libraries do, without Python's hooks, while a message is kept; commit in both.

    A child inherits the locks that other threads hold, and nothing tells them. So this is done while the
    library's threads rest.
    """
    commit()
    time.sleep(0.7)  # the broker was tried, and is not tried again yet
    until_other_threads_rest()
    child = ctypes.PyDLL(None).fork()
    commit_thrice()
    if child:
        assert os.waitpid(child, 0)[1] == 0


def fork_by_multiprocessing() -> None:
    """Fork as process pools do, whose children end without `atexit`; commit in both."""
    commit()
    child = multiprocessing.get_context("fork").Process(target=commit_thrice)
    child.start()
    commit_thrice()
    child.join()
    assert child.exitcode == 0


def commit_thrice() -> None:
    for _ in range(3):
        commit()


def commit_until_told() -> None:
    """Commit on four threads until SIGTERM comes, whose handler ends the program as servers do."""
    told: list[bool] = []  # no event, whose lock the interrupted thread may hold

    def end(*_: object) -> None:
        told.append(True)
        sys.exit()

    def go_on() -> None:
        while not told:
            commit()
            time.sleep(PAUSE)

    if os.environ.get("HANDLES_SIGTERM"):
        signal.signal(signal.SIGTERM, end)
    commit()  # which imports
    for _ in range(3):
        threading.Thread(target=go_on).start()
    go_on()


if os.environ.get("SENDS_AT_LOAD"):
    commit()

if __name__ == "__main__":
    globals()[sys.argv[1]]()
