"""A mail gateway that can be broken, to have something to retry."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from smtplib import SMTPServerDisconnected
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

from deferred_signals import current_message
from demo_site.shop.timeline import note

#: ``fine``; ``hiccups``: it hangs up on the first two attempts; ``broken``: on all of them.
State = Literal["fine", "hiccups", "broken"]
FAILURES = 2
#: Seconds that a gateway takes, which leaves time to kill the worker meanwhile.
SLOWNESS = 0.8


def state() -> State:
    """Return how the gateway is; a file says so to all processes."""
    try:
        text = _file().read_text()
    except FileNotFoundError:
        return "fine"
    return "hiccups" if text == "hiccups" else "broken"


def change(to: State) -> None:
    """Break or mend the gateway."""
    if to == "fine":
        _file().unlink(missing_ok=True)
    else:
        _file().write_text(to)


def poison(order: UUID) -> None:
    """Have the mail of one order kill the process that sends it, as a fault in a C library does."""
    _poison().write_text(str(order))


def cure() -> None:
    """Have no mail kill a process any more."""
    _poison().unlink(missing_ok=True)


def _file() -> Path:
    return Path(settings.VAR) / "gateway"


def _poison() -> Path:
    return Path(settings.VAR) / "poison"


class FlakyGateway(EmailBackend):
    """Write mails to files, and fail when the gateway is broken."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Send the mails, or raise what smtplib raises when a gateway hangs up."""
        message, found = current_message(), state()
        order = email_messages[0].extra_headers["X-Order"]
        if _poison().exists() and _poison().read_text() == order:
            note("kills its process", "kill", order=order)
            os.kill(os.getpid(), signal.SIGKILL)
        if found != "hiccups":
            time.sleep(SLOWNESS)
        elif message is None or message.attempt > FAILURES:
            found = "fine"
        if found != "fine":
            note("the gateway hung up", order=order)
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        return super().send_messages(email_messages)
