"""A program that commits messages on four threads, as a site does, and ends by itself or by SIGTERM.

`python -m tests.integration.spilling_program SECONDS`: a ledger notes what becomes of the messages.
"""

import os
import signal
import sys
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
django.setup()

from django.db import transaction  # noqa: E402 - the set-up comes first

from tests.app.fault_receivers import leaves_a_row  # noqa: E402
from tests.support.connected import deferred  # noqa: E402
from tests.support.ledger import Ledger  # noqa: E402

#: Seconds between two commits of one thread.
PAUSE = 0.2

ledger = Ledger(os.environ["LEDGER"])
until = time.monotonic() + float(sys.argv[1])


def commit() -> None:
    """Commit one message, and note it."""
    began = time.monotonic()
    with transaction.atomic():
        [sent] = deferred(leaves_a_row.send(None, number=0))
    ledger.note_sent(sent.id, time.monotonic() - began)


def go_on() -> None:
    """Commit until the time is over."""
    while time.monotonic() < until:
        commit()
        time.sleep(PAUSE)


def end(*_: object) -> None:
    """End as servers do when they are told to."""
    sys.exit()


signal.signal(signal.SIGTERM, end)
for _ in range(3):
    threading.Thread(target=go_on, daemon=True).start()
go_on()
