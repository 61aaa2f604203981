"""`comparison`: publish messages by the library and by hand, and compare every field of the two."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import kombu.pools
import pytest
from celery import Celery, current_app
from django.db import transaction
from django.dispatch import Signal
from pytest_celery import CeleryTestBroker
from pytest_django import Settings

from deferred_signals.message import Message
from deferred_signals.message.wire import pack
from tests.project.celery import app as project_app
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

from .raw_messages import TAPS, Raw, Tap, differences

#: Queues of these tests, and of no worker.
QUEUE = "faithful"
OTHER = "faithful.other"

_numbers = count(1)


class NeverRuns:
    """Never run: no worker reads the queue."""

    def __call__(self, sender: object, **kwargs: object) -> None: ...


class Comparison:
    """Hold the test's receivers and apps, and look into a broker."""

    def __init__(self, tap: Tap, defer: Connected, lifecycle: Lifecycle) -> None:
        self.tap = tap
        self.signal = Signal()
        self.queues = [QUEUE, OTHER]
        self._defer = defer
        self._lifecycle = lifecycle
        self._apps: list[Celery] = []
        self._by_hand: dict[str, Mapping[str, Any]] = {}

    def app(self, kind: type[Celery] = Celery, **configuration: Any) -> Celery:
        """Make an app of the given configuration the current one."""
        app = kind("faithful", set_as_current=False)
        usual = {"broker_url": self.tap.url, "task_default_queue": QUEUE}
        app.conf.update({**usual, **configuration})
        app.set_current()
        self._apps.append(app)
        return app

    def connect(self, by_hand: Mapping[str, Any] | None = None, **options: Any) -> str:
        """Connect another receiver to the signal, and return its name.

        Arguments:
            by_hand: the options of `apply_async` for the same message; None: those of the receiver.
                A callable takes the number that was sent.
            options: of the receiver.
        """
        name = f"faithful.receiver_{next(_numbers)}"
        self._defer(self.signal, name=name, **options)(NeverRuns())
        self._by_hand[name] = options if by_hand is None else by_hand
        return name

    def send(self, *numbers: int) -> list[Message]:
        """Send the signal once for each number in one transaction; return what was published.

        Even numbers come with one kwarg more.
        """
        before = len(self._lifecycle.of("message_published"))
        with transaction.atomic():
            for number in numbers:
                more = {} if number % 2 else {"even": True}
                self.signal.send(None, number=number, **more)
        assert self._lifecycle.of("publish_failed") == []
        told = [kwargs["message"] for kwargs in self._lifecycle.of("message_published")[before:]]
        assert [(message.receiver, message.kwargs["number"]) for message in told] == [
            (name, number) for number in numbers for name in self._by_hand
        ]
        return told

    def publish_by_hand(self, messages: Sequence[Message]) -> None:
        """Publish messages as a project without the library does."""
        for message in messages:
            task: Any = current_app.tasks[message.receiver]
            number = message.kwargs["number"]
            options = self._by_hand[message.receiver].items()
            task.apply_async(
                (pack(message),),
                task_id=message.id,
                argsrepr=f"({', '.join(message.kwargs)})",
                kwargsrepr="{}",
                **{name: value(number) if callable(value) else value for name, value in options},
            )

    def take(self, number: int) -> dict[str, Raw]:
        """Take all messages off the broker, by their ids, and assert that there are so many."""
        found = self.tap.take(number, self.queues)
        assert len(found) == number
        tags = [raw.tag for raw in found if raw.tag]
        # If two messages have one tag, kombu forgets one of them when a worker takes the other.
        assert len(set(tags)) == len(tags)
        return {raw.id: raw for raw in found}

    def compare(self) -> list[Raw]:
        """Send thrice in one transaction, publish the same by hand, and assert that all is the same.

        Returns:
            What the library published, in the order of the sends.
        """
        messages = self.send(1, 2, 3)
        ours = self.take(len(messages))
        self.publish_by_hand(messages)
        assert_same(ours, self.take(len(messages)))
        return [ours[message.id] for message in messages]

    def close(self) -> None:
        """Close the apps and the connections, and delete the queues."""
        project_app.set_current()
        for app in self._apps:
            app.close()
        self.tap.close(self.queues)
        kombu.pools.reset()


def assert_same(ours: Mapping[str, Raw], by_hand: Mapping[str, Raw]) -> None:
    """Assert that messages are the same, field by field."""
    assert ours.keys() == by_hand.keys()
    found = {id_: differences(raw.fields, by_hand[id_].fields) for id_, raw in ours.items()}
    assert not any(found.values()), found


@pytest.fixture
def comparison(
    celery_broker: CeleryTestBroker, defer: Connected, lifecycle: Lifecycle, settings: Settings
) -> Iterator[Comparison]:
    """Compare on a real broker, which is empty at first."""
    # A machine that has much to do may take more than a second to connect.
    settings.DEFERRED_SIGNALS = {**settings.DEFERRED_SIGNALS, "PUBLISH_TIMEOUT": 30}
    url = celery_broker.config()["host_url"]
    comparison = Comparison(TAPS[url.partition(":")[0]](url), defer, lifecycle)
    yield comparison
    comparison.close()
