"""What happened when, and in which process: the demo's own record.

A file, not a table: what a transaction did must stay visible when it is rolled back.
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
    # Of receivers only; a message and an attempt belong to those that were deferred.
    receiver: str | None = None
    message: str | None = None
    attempt: int | None = None

    @property
    def number(self) -> str:
        """The order's id, short enough to read."""
        return self.order[:6] if self.order else ""

    @property
    def time(self) -> str:
        """The time of day, in UTC as the settings have it."""
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
    # Opened to append, and written at once: lines of several processes do not mix.
    with timeline_file().open("a") as file:
        file.write(json.dumps(asdict(moment)) + "\n")


def note_commit(order: UUID) -> None:
    """Have the commit of the transaction that is open noted."""
    transaction.on_commit(partial(note, "transaction committed", order=order))


def moments() -> list[Moment]:
    """Return the whole timeline, the earliest moment first."""
    try:
        text = timeline_file().read_text()
    except FileNotFoundError:
        return []
    # Up to the last end of a line: what follows is being written.
    lines = text[: text.rfind("\n") + 1].splitlines()
    return sorted((Moment(**json.loads(line)) for line in lines), key=lambda moment: moment.at)


def timeline_file() -> Path:
    """Where the moments are."""
    return Path(settings.VAR) / "timeline.jsonl"


class RequestMoments:
    """Middleware: notes when a request that changes something returned."""

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
