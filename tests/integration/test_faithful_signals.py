"""Celery's publish signals: sent of each message, with the arguments that `apply_async` gives."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from typing import Any

import pytest
from celery import signals

from .comparison import Comparison

# They write no row: with no app but ours there is no table to empty after each.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["deferred_signals"])


class Heard:
    """What Celery's publish signals told, in order."""

    def __init__(self) -> None:
        self._told: list[tuple[str, dict[str, Any]]] = []

    def before(self, **kwargs: Any) -> None:
        self._note("before_task_publish", kwargs)

    def after(self, **kwargs: Any) -> None:
        self._note("after_task_publish", kwargs)

    def sent(self, **kwargs: Any) -> None:
        self._note("task_sent", kwargs)

    def forget(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what was told since this was last asked."""
        told, self._told = self._told, []
        return told

    def _note(self, name: str, kwargs: dict[str, Any]) -> None:
        # How often it is tried again is not the message's, and of no consequence to a listener.
        left_out = ("signal", "retry_policy")
        told = {key: value for key, value in kwargs.items() if key not in left_out}
        if told.get("declare"):
            told["declare"] = [entity.name for entity in told["declare"]]
        self._told.append((name, deepcopy(told)))


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    listeners = [
        (signals.before_task_publish, heard.before),
        (signals.after_task_publish, heard.after),
        (signals.task_sent, heard.sent),
    ]
    for signal, listener in listeners:
        signal.connect(listener)
    yield heard
    for signal, listener in listeners:
        signal.disconnect(listener)


Listener = Callable[..., None]
Connect = Callable[[Listener], Listener]


@pytest.fixture
def change() -> Iterator[Connect]:
    """Connect listeners to `before_task_publish`, for the length of the test."""
    connected = []

    def connect(listener: Listener) -> Listener:
        signals.before_task_publish.connect(listener)
        connected.append(listener)
        return listener

    yield connect
    for listener in connected:
        signals.before_task_publish.disconnect(listener)


def test_listeners_hear_of_each_message_what_apply_async_tells(
    comparison: Comparison, heard: Heard
) -> None:
    comparison.app()
    comparison.connect(priority=3, headers={"tenant": "blue"})
    messages = comparison.send(1, 2, 3)
    ours = heard.forget()
    comparison.publish_by_hand(messages)
    assert ours == heard.forget()
    # The span of one message is closed before that of the next is opened.
    assert [(name, told.get("task_id") or told["headers"]["id"]) for name, told in ours] == [
        (name, message.id)
        for message in messages
        for name in ("before_task_publish", "after_task_publish", "task_sent")
    ]


def test_listener_hears_of_a_commit_after_one_that_nobody_heard_of(
    comparison: Comparison, change: Connect
) -> None:
    comparison.app()
    comparison.connect()
    comparison.compare()
    heard: list[str] = []

    @change
    def listener(headers: dict[str, Any], **_: object) -> None:
        heard.append(headers["id"])

    messages = comparison.send(1, 2, 3)
    ours = list(heard)
    heard.clear()
    comparison.publish_by_hand(messages)
    # Celery 5.4 may have lost its own way to listeners that come late.
    assert ours == heard


def test_header_that_a_listener_adds_is_in_each_message(
    comparison: Comparison, change: Connect
) -> None:
    comparison.app()
    comparison.connect(headers={"seen": {}})

    @change
    def listener(headers: dict[str, Any], **_: object) -> None:
        headers["seen"]["as"] = headers["id"]
        headers["sender"] = "me"

    found = comparison.compare()
    assert [raw["as"] for raw in found] == [raw.id for raw in found]


def test_listener_is_given_no_header_that_it_gave_another_message(
    comparison: Comparison, change: Connect
) -> None:
    comparison.app()
    comparison.connect()
    numbers = count(1)

    @change
    def listener(headers: dict[str, Any], **_: object) -> None:
        headers.setdefault("number", next(numbers))

    comparison.send(1, 2, 3)
    assert sorted(raw["number"] for raw in comparison.take(3).values()) == [1, 2, 3]


def test_properties_and_kwargs_that_a_listener_changes_are_the_messages(
    comparison: Comparison, change: Connect
) -> None:
    comparison.app()
    comparison.connect()

    @change
    def listener(body: Any, properties: dict[str, Any], **_: object) -> None:
        properties["priority"] = 6
        body[1]["added"] = True

    found = comparison.compare()
    assert [raw["priority"] for raw in found] == [6] * 3
    assert all(b'"added": true' in raw["body"] for raw in found)
