"""What lies on the broker as Celery has it: a message each, which may bring a chunk of ours."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from celery.app.trace import build_tracer

from deferred_signals import Retry
from deferred_signals.message.wire import unpack
from tests.project.celery import app


@dataclass
class Letter:
    """One message of Celery's."""

    task: str
    wires: tuple[str, ...]
    headers: dict[str, Any]
    properties: dict[str, Any]

    def deliver(self, *, redelivered: bool = False) -> str:
        """Run it in this process as a worker's child does, and return the state for Celery."""
        task = app.tasks[self.task]
        request = {
            **self.headers,
            "delivery_info": {
                "exchange": "", "routing_key": "celery", "redelivered": redelivered,
                "priority": self.properties["priority"],
            },
            "properties": self.properties,
        }  # fmt: skip
        trace = build_tracer(task.name, task, app=app)
        _, info, _, _ = trace(self.headers["id"], list(self.wires), {}, request)
        return info.state if info else "SUCCESS"


def take_letters() -> list[Letter]:
    """Take what lies on the broker, a message of Celery's each."""
    found = []
    with app.connection_for_read() as opened:
        channel: Any = opened.default_channel
        while (raw := channel.basic_get("celery", no_ack=True)) is not None:
            wires, _, _ = raw.decode()
            task = raw.headers["task"]
            found.append(Letter(task, tuple(wires), raw.headers, raw.properties))
    return found


def ids(letter: Letter) -> list[str]:
    """The ids of our messages that one of Celery's brings."""
    return [unpack(wire).id for wire in letter.wires]


#: Sends numbers in one transaction, and returns what that published.
SendTogether = Callable[..., list[Letter]]

QUICK = Retry(max_attempts=3, wait_initial=5, wait_jitter=0)


@dataclass
class Acting:
    """A receiver that does what a test wants for each number that it is called with."""

    does: dict[int, Callable[[], None]] = field(default_factory=dict)
    ran: list[int] = field(default_factory=list)

    def __call__(self, sender: object, number: int, **kwargs: Any) -> None:
        self.ran.append(number)
        self.does.get(number, lambda: None)()


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act
