"""A program whose first commit is interrupted in the INSERT of its durable message, and its second one not.

`python interrupted_sender.py HOW` writes the number of its session with the database, then what its first
commit raised, then the id of its second message. `HOW` is "Timeout" for that of a greenlet, which the
program arranges for itself. Else the caller interrupts it.
"""

import os
import signal
import sys

HOW = sys.argv[1]
if HOW == "Timeout":
    from gevent import monkey

    monkey.patch_all()

import django  # noqa: E402 - greenlets come first

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
django.setup()

import gevent  # noqa: E402 - the set-up comes first
from django.db import connection, transaction  # noqa: E402

from tests.app.models import Label  # noqa: E402
from tests.integration.durable import send  # noqa: E402

SESSION = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT connection_id()"}


def say(*words: object) -> None:
    """Write a line at once."""
    print(*words, flush=True)  # noqa: T201 - for the caller


def commit(name: str) -> str:
    """Write a row, and send, in one transaction."""
    with transaction.atomic():
        Label.objects.create(name=f"{name} {HOW}")
        return send("plain")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
with connection.cursor() as cursor:
    cursor.execute(SESSION[connection.vendor])
    say("session", *cursor.fetchone())
timeout = gevent.Timeout(1 if HOW == "Timeout" else None)
try:
    with transaction.atomic():
        commit("undone")
        timeout.start()
except BaseException as error:  # noqa: BLE001 - whatever it is
    say("caught", type(error).__name__)
finally:
    timeout.close()
say("sent", commit("saved"))
