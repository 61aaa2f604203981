"""A shop whose receivers fail, on a real worker that reports to Sentry; here into a file.

The process that sends imports this module too.
"""

import json
import os
from pathlib import Path
from typing import Any

import django
import sentry_sdk
from celery import Celery
from django.db import transaction
from django.dispatch import Signal
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.tracers.settings"


class Noting(Transport):  # type: ignore[misc]
    """Writes events to a file, a line each, instead of sending them."""

    def capture_envelope(self, envelope: Envelope) -> None:
        events = filter(None, (item.get_event() for item in envelope.items))
        with Path(os.environ["EVENTS"]).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event, default=repr) + "\n" for event in events)


# As in a project's settings, with the defaults: local variables are included.
sentry_sdk.init(dsn="http://key@localhost/1", transport=Noting)
django.setup()

from deferred_signals import Retry, receiver  # noqa: E402 - it needs what is set up above

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")

paid, prepared, shipped, refunded = (Signal() for _ in range(4))

SIGNALS = {
    "paid": paid,
    "prepared": prepared,
    "shipped": shipped,
    "refunded": refunded,
}


@receiver(paid, deferred=True, retry=Retry(max_attempts=2, wait_initial=0.1, wait_jitter=0))
def charge(sender: object, **kwargs: Any) -> None:
    """Fail, with a cause."""
    try:
        raise LookupError("no account")
    except LookupError as error:
        raise RuntimeError("not charged") from error


@receiver(prepared, deferred=True, retry=None)
async def prepare(sender: object, **kwargs: Any) -> None:
    """Fail in an event loop."""
    raise RuntimeError("not prepared")


@receiver(shipped, deferred=True, retry=None, chunk_size=10)
def ship(sender: object, number: int, **kwargs: Any) -> None:
    """Fail for one of a chunk's calls."""
    if number == 1:
        raise RuntimeError("not shipped")


@receiver(refunded, deferred=True, retry=None, throws=(LookupError,))
def refund(sender: object, **kwargs: Any) -> None:
    """Fail as is expected."""
    raise LookupError("nothing to refund")


def send(name: str) -> None:
    """Send a signal three times in one transaction, with a value that nobody may see."""
    with transaction.atomic():
        for number in range(3 if name == "shipped" else 1):
            SIGNALS[name].send(None, number=number, card="swordfish")


def send_malformed() -> None:
    """Send a receiver's task a payload that is no message."""
    app.send_task(f"{__name__}.charge", ["swordfish"])
