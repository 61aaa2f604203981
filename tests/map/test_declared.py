"""The map tells how a receiver is deferred: what was given, and what is in force."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from celery import Task
from django.core.exceptions import ValidationError
from django.db.models.signals import post_save
from django.dispatch import Signal
from kombu import Queue

from deferred_signals import Retry, changed
from deferred_signals.map import Callback, Deferral
from deferred_signals.map.declared import deferral_of
from deferred_signals.map.names import Names
from deferred_signals.map.words import declared
from deferred_signals.receivers import registry
from deferred_signals.receivers.options import OPTIONS, Options
from tests.app.models import Order
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected

HERE = "tests.map.test_declared"


class Lane(StrEnum):
    """Names queues."""

    MAIL = "mail"


class Mailing(Task):  # type: ignore[type-arg]  # generic in its stubs only
    """A base of tasks."""


class Placed:
    """The shape of a signal."""


class Secret:
    """A value that nobody shows."""

    def __repr__(self) -> str:
        raise AssertionError("a value was shown")


def receive(sender: object, **kwargs: object) -> None: ...


def upgrade(version: int, kwargs: Any) -> Any: ...


def choose(sender: object, **kwargs: object) -> Any: ...


@pytest.fixture
def deferral(signal: Signal, defer: Connected) -> Callable[..., Deferral]:
    """Defer a receiver with some options, and give what the map tells of it."""

    def deferral(**options: Any) -> Deferral:
        defer(signal, name="tests.map.receive", **options)(receive)
        return deferral_of(registry.get("tests.map.receive"), Names([]))

    return deferral


def test_receiver_without_options_has_what_the_settings_give(
    deferral: Callable[..., Deferral], configure: Callable[..., None]
) -> None:
    configure(QUEUE="slow", RETRY={"max_attempts": 8}, DURABLE=True)
    assert deferral() == Deferral(
        queue="slow", policy=None, retry=Retry(max_attempts=8), durable=True, options={}
    )


def test_options_are_told_in_the_order_of_the_table_and_as_they_were_given(
    deferral: Callable[..., Deferral],
) -> None:
    found = deferral(
        serializer="json",
        base=Mailing,
        throws=(LookupError, ValidationError),
        acks_late=False,
        retry=Retry(on=(OSError,), max_attempts=5),
        missing="retry",
        upgrade=upgrade,
        headers={"tenant": "secret", "b": 1},
        expires=datetime(2030, 1, 1, tzinfo=UTC),
        countdown=timedelta(minutes=1),
        priority=3,
        queue=Lane.MAIL,
        coalesce=True,
        capture=choose,
        carry=["_old", "user.id"],
        exclude=("b", "a"),
        actions=["post_add", "post_clear"],
        raw=True,
        when=choose,
        aliases=["tests.map.old"],
    )
    assert declared(found.options) == [
        "aliases=tests.map.old",
        f"when={HERE}.choose()",
        "raw",
        "actions=post_add,post_clear",
        "exclude=a,b",
        "carry=_old,user.id",
        f"capture={HERE}.choose()",
        "coalesce",
        "queue=mail",
        "priority=3",
        "countdown=60.0",
        "expires=2030-01-01T00:00:00+00:00",
        "headers=b,tenant",
        f"upgrade={HERE}.upgrade()",
        "missing=retry",
        "retry=Retry(on=OSError, max_attempts=5)",
        "acks_late=False",
        "throws=LookupError,django.core.exceptions.ValidationError",
        f"base={HERE}.Mailing",
        "serializer=json",
    ]


class Uncomparable:
    """A condition that nobody may compare."""

    __hash__ = object.__hash__

    def __call__(self, sender: object, **kwargs: object) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a value was compared")


def test_value_of_a_foreign_class_is_not_compared(deferral: Callable[..., Deferral]) -> None:
    assert deferral(when=Uncomparable()).options == {"when": Callback(f"<{HERE}.Uncomparable>")}


@pytest.mark.parametrize("name", Options.__dataclass_fields__)
def test_default_of_an_option_is_not_told(name: str, deferral: Callable[..., Deferral]) -> None:
    assert deferral(**{name: OPTIONS[name].default}).options == {}


CONDITIONS: list[tuple[Any, str]] = [
    (changed("status", "total"), "changed('status', 'total')"),
    (changed("status", to="paid", was=None), "changed('status', to='paid', was=None)"),
    (changed("status", to=Lane.MAIL), "changed('status', to=Lane.MAIL)"),
    (changed("status", was=Secret()), "changed('status', was=<Secret>)"),
]


@pytest.mark.parametrize(("condition", "text"), CONDITIONS, ids=[text for _, text in CONDITIONS])
def test_condition_is_told_as_it_was_written(condition: Any, text: str, defer: Connected) -> None:
    defer(post_save, name="tests.map.changed", sender=Order, when=condition)(receive)
    found = deferral_of(registry.get("tests.map.changed"), Names([]))
    assert found.options == {"when": text}


@pytest.mark.parametrize(
    ("options", "policies", "policy", "attempts"),
    [
        ({}, {}, None, 3),
        ({"retry": None}, {}, None, 1),
        ({"retry": Retry(max_attempts=None, timeout=60)}, {}, None, None),
        ({"retry": "mail"}, {"mail": {"max_attempts": 8}}, "mail", 8),
    ],
)
def test_policy_in_force_is_told(
    options: dict[str, Any],
    policies: dict[str, Any],
    policy: str | None,
    attempts: int | None,
    deferral: Callable[..., Deferral],
    configure: Callable[..., None],
) -> None:
    configure(RETRY_POLICIES=policies)
    found = deferral(**options)
    assert found.retry is not None
    assert (found.policy, found.retry.max_attempts) == (policy, attempts)


def test_policy_that_the_settings_lack_is_told_to_be_none(
    deferral: Callable[..., Deferral], configure: Callable[..., None]
) -> None:
    configure(RETRY_POLICIES={"mail": {}})
    deferral(retry="mail")
    configure(RETRY_POLICIES={})
    found = deferral(retry="mail")
    assert (found.policy, found.retry) == ("mail", None)


def test_queue_that_a_callable_chooses_is_told_as_the_callable(
    deferral: Callable[..., Deferral], configure: Callable[..., None]
) -> None:
    configure(QUEUE="slow")
    assert deferral(queue=choose).queue == Callback(f"{HERE}.choose")


@pytest.mark.parametrize(
    ("settings", "queue"),
    [
        ({}, "celery"),
        ({"task_default_queue": "main"}, "main"),
        ({"task_routes": {"tests.*": {"queue": "audit"}}}, "audit"),
        ({"task_routes": {"tests.*": "audit"}}, "audit"),
        ({"task_routes": {"tests.*": {"queue": Queue("audit")}}}, "audit"),
        ({"task_routes": {"others.*": "audit"}}, "celery"),
        ({"task_routes": {"tests.*": {"priority": 3}}}, "celery"),
        ({"task_routes": {"tests.*": {"exchange": "topics", "routing_key": "a.b"}}}, None),
        ({"task_routes": [lambda *_args, **_kwargs: 1 / 0]}, None),
        ({"task_routes": [{"tests.*": "audit"}, lambda *_args, **_kwargs: 1 / 0]}, "audit"),
    ],
)
def test_queue_is_the_one_of_celerys_routes_and_none_is_created(
    settings: dict[str, Any],
    queue: str | None,
    deferral: Callable[..., Deferral],
    make_current: MakeCurrent,
) -> None:
    app: Any = make_current(broker_url="memory://", **settings)
    before = set(app.amqp.queues)
    assert deferral().queue == queue
    assert set(app.amqp.queues) == before
