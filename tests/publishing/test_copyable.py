"""Copies: what Celery would have made, or Celery makes each message."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, Task, current_app, signals
from celery.app.amqp import AMQP
from django.db import transaction
from django.dispatch import Signal
from kombu import Producer

from deferred_signals.publishing.copyable import is_timeless, is_unpatched, may_copy, may_copy_task
from deferred_signals.publishing.recorder import recorded
from tests.project.celery import app as project_app
from tests.support.broker import Broker
from tests.support.connected import Connected

#: Of each message its own, whoever makes it.
OWN = ("delivery_tag",)


def taken(count: int) -> list[Any]:
    """Take messages off the broker, as kombu has them."""
    with project_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return [channel.basic_get("celery", no_ack=True) for _ in range(count)]


def apply_by_hand(raw: Any) -> None:
    """Publish a message once more, as a project does that has no such library."""
    arguments, _, _ = raw.decode()
    task: Any = current_app.tasks[raw.headers["task"]]
    task.apply_async(
        arguments,
        task_id=raw.headers["id"],
        argsrepr=raw.headers["argsrepr"],
        kwargsrepr="{}",
        priority=5,
    )


@pytest.mark.django_db(transaction=True)
def test_copies_are_what_celery_makes_of_the_same(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    # If this fails after an update of Celery, a copy lacks something that Celery has begun to write.
    @defer(signal, priority=5)
    def receive(sender: object, **kwargs: object) -> None: ...

    for _ in range(2):  # the second time nothing is recorded any more
        with transaction.atomic():
            for number in range(3):
                signal.send(None, number=number)
        ours = taken(3)
        for raw in ours:
            apply_by_hand(raw)
        for mine, by_hand in zip(ours, taken(3), strict=True):
            assert mine.body == by_hand.body
            assert mine.headers == by_hand.headers
            without_own = [
                {name: value for name, value in raw.properties.items() if name not in OWN}
                for raw in (mine, by_hand)
            ]
            assert without_own[0] == without_own[1]


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("tests.copyable", broker="memory://", set_as_current=False)
    yield app
    app.close()


def test_messages_of_an_app_that_is_as_celery_made_it_may_be_copied(app: Celery) -> None:
    app.conf.task_routes = {"shop.*": {"queue": "shop"}}
    assert may_copy(app)


class OwnAmqp(AMQP):
    """Of a project that writes its own messages."""


class OwnApp(Celery):
    """Of a project that looks at each message."""

    def send_task(self, *args: Any, **kwargs: Any) -> Any:
        return super().send_task(*args, **kwargs)


def test_app_that_looks_at_each_message_makes_each(app: Celery) -> None:
    app.conf.task_routes = (lambda *args, **kwargs: None,)
    assert not may_copy(app)
    with OwnApp("tests.own", broker="memory://", set_as_current=False) as own:
        assert not may_copy(own)
    with Celery("tests.own", broker="memory://", amqp=OwnAmqp, set_as_current=False) as own:
        assert not may_copy(own)


@pytest.mark.parametrize(
    "signal", [signals.before_task_publish, signals.after_task_publish, signals.task_sent]
)
def test_listeners_of_celerys_signals_are_given_each_message(app: Celery, signal: Any) -> None:
    def listener(**kwargs: object) -> None: ...

    signal.connect(listener)
    try:
        assert not may_copy(app)
    finally:
        signal.disconnect(listener)
    assert may_copy(app)


def test_task_that_runs_is_told_of_each_child(app: Celery) -> None:
    seen = []

    def parent() -> None:
        seen.append(may_copy(app))

    make_task: Any = app.task(shared=False)
    make_task(parent).apply()  # traced as on a worker
    assert seen == [False]
    assert may_copy(app)


def recording(app: Celery, **options: Any) -> Any:
    """Return a recorded message of a task of an app, and the task."""

    def pay(*payloads: str) -> None: ...

    make_task: Any = app.task(name="shop.pay", shared=False, ignore_result=True, **options)
    make_task(pay)
    task = app.tasks["shop.pay"]
    (publication,) = recorded(
        app, lambda producer: task.apply_async(("payload",), producer=producer), connect=False
    )
    return task, publication


def test_message_of_celerys_own_task_may_be_copied(app: Celery) -> None:
    task, publication = recording(app)
    assert may_copy_task(task, publication)
    assert is_timeless(publication)


def test_message_that_expires_belongs_to_its_flush(app: Celery) -> None:
    task, publication = recording(app, expires=60)
    assert may_copy_task(task, publication)
    assert not is_timeless(publication)


class Shadowed(Task):  # type: ignore[type-arg]
    """A base that names each message."""

    abstract = True

    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> Any:
        return None


class Applying(Task):  # type: ignore[type-arg]
    """A base that looks at each message."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        return super().apply_async(*args, **options)


@pytest.mark.parametrize("base", [Shadowed, Applying])
def test_task_of_a_base_that_looks_at_each_message_makes_each(app: Celery, base: type[Any]) -> None:
    assert not may_copy_task(*recording(app, base=base))


def test_old_protocol_is_not_copied(app: Celery) -> None:
    app.conf.task_protocol = 1
    _, publication = recording(app)
    assert not isinstance(publication.body, tuple)


def wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a method as tracers do."""

    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Task, "apply_async"),
        (Celery, "send_task"),
        (Producer, "publish"),
        (Producer, "_publish"),
        (Producer, "_prepare"),
    ],
)
def test_patch_of_what_writes_messages_is_seen(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_unpatched()
    monkeypatch.setattr(owner, name, wrapped(vars(owner)[name]))
    assert not is_unpatched()
    monkeypatch.undo()
    assert is_unpatched()
