"""The timeline: what happened when, and in which process.

The timeline is a file, not a table, so that it also shows what a rolled-back transaction did.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from deferred_signals import current_message
from deferred_signals.context import Carrier

#: Views name their order in this header, for whoever keeps a record of the request.
ORDER_HEADER = "X-Order"

#: The kinds of moments that the shop's own code writes. The others tell of messages and processes.
OF_THE_SHOP = frozenset({"work", "send", "commit", "rollback", "request"})

_order: ContextVar[str | None] = ContextVar("order", default=None)


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    at: float
    process: str
    pid: int
    what: str
    kind: str = "work"
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
        return time.strftime("%H:%M:%S", time.gmtime(self.at)) + f".{int(self.at % 1 * 1000):03}"


class AboutOrder(Carrier):
    """Take along which order the work is about, so that each moment of a worker can name it."""

    key = "order"
    follows_context = True

    def take(self) -> str | None:
        """Return the id of the order."""
        return _order.get()

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Say again which order it is."""
        with about(UUID(value)):
            yield


@contextmanager
def about(order: UUID) -> Iterator[None]:
    """Say that the work in the block is about an order."""
    token = _order.set(str(order))
    try:
        yield
    finally:
        _order.reset(token)


def note(
    what: str, kind: str = "work", *, order: UUID | str | None = None, by: str | None = None
) -> None:
    """Write one moment: of the running deferred receiver, or ``by`` a receiver that is not."""
    message = None if by else current_message()
    running = message.receiver.rpartition(".")[2] if message else None
    write(
        Moment(
            at=time.time(),
            process=process(),
            pid=os.getpid(),
            what=what,
            kind=kind,
            order=_order.get() if order is None else str(order),
            receiver=by or running,
            message=str(message.id) if message else None,
            attempt=message.attempt if message else None,
        )
    )


def write(moment: Moment) -> None:
    """Append a moment by one write, so that the lines of several processes do not mix."""
    with timeline_file().open("a") as file:
        file.write(json.dumps(asdict(moment)) + "\n")


def process() -> str:
    """Return what this process is to the demo: ``site``, ``worker`` or ``runner``."""
    return os.environ.get("DEMO_PROCESS") or "runner"


def note_commit(order: UUID) -> None:
    """Write a moment when the open transaction commits."""
    transaction.on_commit(partial(note, "transaction committed", "commit", order=order))


def moments(*, last: int | None = None) -> list[Moment]:
    """Return the timeline, the earliest moment first; only its last bytes where ``last`` is given."""
    try:
        with timeline_file().open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(0, size - last) if last else 0
            file.seek(begin)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    if begin:
        text = text.partition("\n")[2]
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
                "request",
                order=response.headers.get(ORDER_HEADER),
            )
        return response
