"""A program that sends durable messages in one transaction, and is killed before it publishes anything.

`python durable_sender.py COUNT` prints the kind and the id of each message.
"""

import os
import signal
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
django.setup()

from django.db import transaction  # noqa: E402 - the set-up comes first

from tests.integration.durable import KINDS, send  # noqa: E402

with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    for _ in range(int(sys.argv[1])):
        for kind in KINDS:
            sys.stdout.write(f"{kind} {send(kind)}\n")
    sys.stdout.flush()
