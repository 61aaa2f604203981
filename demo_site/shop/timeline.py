"""The timeline: what happened when, and in which process.

The timeline is a file, not a table, so that it also shows what a rolled-back transaction did.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from deferred_signals import current_message

#: Views name their order in this header, for whoever keeps a record of the request.
ORDER_HEADER = "X-Order"


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    at: float
    process: str
    pid: int
    what: str
    order: str | None = None
    # The first is of receivers only, message and attempt of deferred receivers only.
    receiver: str | None = None
    message: str | None = None
    attempt: int | None = None

    @property
    def number(self) -> str:
        """Return the first characters of the order's id."""
        return self.order[:6] if self.order else ""

    @property
    def time(self) -> str:
        """Return the time of day in UTC."""
        return time.strftime("%H:%M:%S", time.localtime(self.at)) + f".{int(self.at % 1 * 1000):03}"


def note(what: str, *, order: UUID | str | None = None, by: str | None = None) -> None:
    """Write one moment: of the running deferred receiver, or ``by`` a receiver that is not."""
    message = current_message()
    running = message.receiver.rpartition(".")[2] if message else None
    moment = Moment(
        at=time.time(),
        process="site" if message is None else "worker",
        pid=os.getpid(),
        what=what,
        order=None if order is None else str(order),
        receiver=by or running,
        message=None if by or message is None else str(message.id),
        attempt=None if by or message is None else message.attempt,
    )
    # Each line is appended by one write, so that lines of several processes do not mix.
    with timeline_file().open("a") as file:
        file.write(json.dumps(asdict(moment)) + "\n")


def note_commit(order: UUID) -> None:
    """Write a moment when the open transaction commits."""
    transaction.on_commit(partial(note, "transaction committed", order=order))


def moments() -> list[Moment]:
    """Return the whole timeline, the earliest moment first."""
    try:
        text = timeline_file().read_text()
    except FileNotFoundError:
        return []
    # What follows the last line break is still being written.
    lines = text[: text.rfind("\n") + 1].splitlines()
    return sorted((Moment(**json.loads(line)) for line in lines), key=lambda moment: moment.at)


def timeline_file() -> Path:
    """Return the path of the timeline's file."""
    return Path(settings.VAR) / "timeline.jsonl"


class RequestMoments:
    """Note when a request that changes something has been answered. A middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        begin = time.perf_counter()
        response = self.get_response(request)
        if request.method == "POST":
            took = (time.perf_counter() - begin) * 1000
            view = request.resolver_match.view_name if request.resolver_match else request.path
            note(
                f"request '{view}' returned {response.status_code} after {took:.0f} ms",
                order=response.headers.get(ORDER_HEADER),
            )
        return response
