"""A program that sends to a broker that is away, until no more is kept, and weighs itself.

`python kept_program.py CHARACTERS` sends texts of so many characters; `tests/publishing/test_kept_memory.py`
starts it. It fills the memory, drops what is kept, and fills the memory again. It prints JSON: for each
time how many messages were kept, the bytes of their payloads, and the bytes by which the process has grown
since it was empty.
"""

import gc
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import django
from celery import Celery
from django.conf import settings
from django.dispatch import Signal

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "deferred_signals"],
    DEFERRED_SIGNALS={
        "BREAKER_COOLDOWN": 600,
        "KEEP_FOR": 600,
        **json.loads(os.environ["SETTINGS"]),
    },
    LOGGING_CONFIG=None,
)
django.setup()
app = Celery("kept", broker="redis://127.0.0.1:1/0")  # where nobody listens
logging.getLogger("deferred_signals").propagate = False
logging.getLogger("deferred_signals").addHandler(logging.NullHandler())

from deferred_signals import events, receiver  # noqa: E402 - the settings come first
from deferred_signals.publishing.lines import drop_kept  # noqa: E402 - the same

placed = Signal()
lost: list[str] = []


@receiver(placed, deferred=True, name="kept.receive", weak=False)
def receive(sender: object, **kwargs: object) -> None:
    """Never run: no worker reads the queue."""


@receiver(events.publish_failed, weak=False)
def count_lost(messages: tuple[Any, ...], **kwargs: object) -> None:
    lost.extend(message.id for message in messages)


def grown() -> int:
    """Return the bytes of memory that this process has."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fill(characters: int) -> tuple[int, int]:
    """Send until a message is reported; return how many are kept, and the bytes of their payloads."""
    lost.clear()
    kept = 0
    while True:
        placed.send(None, text=f"{kept:0{characters}}")
        if lost:
            return kept, kept * characters
        kept += 1


def main(characters: int) -> list[tuple[int, int, int]]:
    """Fill the memory twice."""
    placed.send(None, text="")  # imports, and opens the breaker
    drop_kept()
    empty = grown()
    found = []
    for _ in range(2):
        kept, size = fill(characters)
        found.append((kept, size, grown() - empty))
        drop_kept()
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))  # noqa: T201 - it is read by the test
