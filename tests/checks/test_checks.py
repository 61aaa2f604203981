"""The system checks, by their ids."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from typing import Any

import pytest
from celery import Celery
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db.models.signals import post_save
from django.dispatch import Signal
from kombu import Exchange, Queue
from pytest_django import Settings

from deferred_signals import ConfigurationError, Retry
from tests.project.celery import app
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected


def found(*, deploy: bool = False) -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"], include_deployment_checks=deploy)


def ids(*, deploy: bool = False) -> list[str | None]:
    return [message.id for message in found(deploy=deploy)]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def accept(sender: object, **kwargs: object) -> None:
    """Neither does this one."""


def count_up() -> Callable[[object], str]:
    """Name parameters that have no ids."""
    numbers = count()
    return lambda _: str(next(numbers))


pytestmark = pytest.mark.usefixtures("only_own_receivers")


@pytest.fixture
def celery(make_current: MakeCurrent) -> MakeCurrent:
    """Give Celery's current app another configuration."""
    return make_current


def test_sound_project_has_nothing_to_be_told(signal: Signal, defer: Connected) -> None:
    defer(signal)(receive)
    assert ids(deploy=True) == []


def test_e001_unknown_key(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGR": True}
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E001", True)
    assert message.hint == "Did you mean 'EAGER'?"


def test_e001_wrong_type(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": "yes", "MAX_DEPTH": 0}
    assert ids(deploy=True) == ["deferred_signals.E001", "deferred_signals.E001"]


def test_e001_everything_that_is_wrong_with_policies(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {
        "RETRY": {"max_attempt": 3, "wait_max": -1, "timeout": 0},
        "RETRY_POLICIES": {"mail": {"max_attempts": None}, "sms": 3, "post": {"max_attempts": 2}},
    }
    told = [message.msg for message in found()]
    assert len(told) == 5
    for place, text in zip(("RETRY']",) * 3 + ("['mail']", "['sms']"), told, strict=True):
        assert place in text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("tests.support.carriers.Nothing", "ImportError"),
        ("nowhere.Carrier", "ModuleNotFoundError"),
        ("pathlib.Path", "it has no key and no restore and no take"),
    ],
)
def test_e001_carrier_that_is_none(settings: Settings, path: str, reason: str) -> None:
    settings.DEFERRED_SIGNALS = {"CONTEXT": [path, "deferred_signals.context.Language"]}
    (message,) = found()
    assert message.id == "deferred_signals.E001"
    assert f"{path!r}, which is no context carrier: {reason}" in message.msg


WRONG: list[Any] = [
    {"EAGR": True},
    {"RETRY": 3},
    {"RETRY_POLICIES": {"mail": {"max_attempts": 0}}},
    {"CONTEXT": 3, "QUEUE": 4},
    ["EAGER"],
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retry": None},
        {"retry": "mail"},
        {"retry": Retry()},
        {"queue": "audit"},
        {"chunk_size": 9},
    ],
    ids=str,
)
def test_e001_wrong_setting_raises_nothing_where_receivers_are_connected(
    settings: Settings, signal: Signal, defer: Connected, wrong: Any, options: dict[str, Any]
) -> None:
    settings.DEFERRED_SIGNALS = wrong
    defer([signal, post_save], **options)(receive)
    assert set(ids(deploy=True)) == {"deferred_signals.E001", "deferred_signals.W006"}
    with pytest.raises(ConfigurationError):
        signal.send(None)


@pytest.mark.django_db(databases=["default", "other"])  # Django 6.1 checks the databases as well
def test_e001_fails_the_command(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGR": True}
    with pytest.raises(SystemCheckError, match="EAGR"):
        call_command("check")


def test_e001_is_not_hidden_by_receivers(
    settings: Settings, signal: Signal, defer: Connected
) -> None:
    defer(signal)(receive)
    settings.DEFERRED_SIGNALS = {"EAGR": True}
    assert "deferred_signals.E001" in ids(deploy=True)


def test_e002_policy_that_is_gone(settings: Settings, signal: Signal, defer: Connected) -> None:
    settings.DEFERRED_SIGNALS = {"RETRY_POLICIES": {"mail": {"max_attempts": 2}}}
    defer(signal, name="tests.mailer", retry="mail")(receive)
    assert ids() == []
    settings.DEFERRED_SIGNALS = {"RETRY_POLICIES": {"mails": {"max_attempts": 2}}}
    (message,) = found()
    assert message.id == "deferred_signals.E002"
    assert "tests.mailer" in message.msg
    assert "Did you mean 'mails'?" in message.msg


@pytest.fixture
def no_app() -> Iterator[None]:
    """Make it a project without a Celery app."""
    bare = Celery("default", set_as_current=False)  # what Celery makes where there is none
    bare.set_current()
    yield
    app.set_current()
    bare.close()


@pytest.mark.usefixtures("no_app")
def test_w001_no_celery_app(signal: Signal, defer: Connected) -> None:
    assert ids() == []
    defer(signal)(receive)
    assert ids() == ["deferred_signals.W001"]
    (message,) = found()
    assert "tests.project.celery.app says where the broker is" in message.msg


def test_w001_current_app_that_names_no_broker(
    celery: MakeCurrent, signal: Signal, defer: Connected
) -> None:
    defer(signal)(receive)
    celery()
    (message,) = found()
    assert message.id == "deferred_signals.W001"
    assert "'other' is current here" in message.msg
    assert "tests.project.celery.app" in str(message.hint)


@pytest.fixture
def bare_default() -> Iterator[None]:
    """Let Celery have made an app of its own, since somebody asked for the current app too early."""
    bare = Celery("default", set_as_current=False)
    bare.set_default()
    yield
    app.set_default()
    bare.close()


@pytest.mark.usefixtures("bare_default")
def test_w001_other_threads_see_another_app(signal: Signal, defer: Connected) -> None:
    defer(signal)(receive)
    (message,) = found()
    assert message.id == "deferred_signals.W001"
    assert "'proj' is current here" in message.msg


def test_w001_app_that_has_its_broker_from_the_environment_is_fine(
    celery: MakeCurrent, monkeypatch: pytest.MonkeyPatch, signal: Signal, defer: Connected
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    defer(signal)(receive)
    celery()
    assert ids() == []


def test_e005_celery_settings_that_cannot_be_read(
    celery: MakeCurrent, signal: Signal, defer: Connected
) -> None:
    celery(broker_url="memory://", broker_transport_options=["socket_timeout"])
    assert ids(deploy=True) == []
    defer(signal, queue="audit")(receive)
    (message,) = found(deploy=True)
    assert message.id == "deferred_signals.E005"
    assert "AttributeError" in message.msg


def test_w002_pickle(celery: MakeCurrent, signal: Signal, defer: Connected) -> None:
    celery(accept_content=["json", "pickle"], broker_url="memory://")
    assert ids() == []
    defer(signal)(receive)
    assert ids() == ["deferred_signals.W002"]


@pytest.mark.parametrize(
    ("options", "configuration", "count"),
    [
        ({"retry": Retry(wait_initial=7200, wait_max=7200)}, {}, 0),  # served in pieces
        ({"time_limit": 3600}, {}, 1),
        ({"time_limit": 3599}, {}, 0),
        ({"time_limit": 60, "chunk_size": 59}, {}, 0),
        ({"time_limit": 60, "chunk_size": 60}, {}, 1),
        ({"retry": None}, {"task_time_limit": 4000}, 1),
        ({"time_limit": 60}, {"broker_transport_options": {"visibility_timeout": 60}}, 1),
        ({"time_limit": 4000}, {"broker_transport_options": {"visibility_timeout": 9000}}, 0),
        ({"retry": Retry(wait_max=7200, wait_initial=7200), "time_limit": 4000}, {}, 1),
        ({"time_limit": 9000, "acks_late": False}, {}, 0),
        ({"soft_time_limit": 3600}, {}, 1),
        ({}, {"task_soft_time_limit": 3600}, 1),
        ({"time_limit": 60}, {"task_time_limit": 9000}, 0),
        # The last piece of a wait and the run after it are one delivery.
        ({"countdown": 7200, "time_limit": 1700}, {}, 0),
        ({"countdown": 7200, "time_limit": 1800}, {}, 1),
        ({"countdown": lambda **_: 7200, "time_limit": 1800}, {}, 1),
        ({"retry": Retry(wait_initial=1000, wait_max=1000), "time_limit": 2600}, {}, 1),
        ({"retry": Retry(wait_initial=1000, wait_max=1000), "time_limit": 2500}, {}, 0),
    ],
    ids=count_up(),
)
def test_w003_visibility_timeout(
    celery: MakeCurrent,
    signal: Signal,
    defer: Connected,
    options: dict[str, Any],
    configuration: dict[str, Any],
    count: int,
) -> None:
    celery(**{"broker_url": "redis://", **configuration})
    defer(signal, name="tests.waiting", **options)(receive)
    messages = [message for message in found() if message.id == "deferred_signals.W003"]
    assert len(messages) == count
    assert all("tests.waiting" in message.msg for message in messages)
    assert all(message.hint for message in messages)


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        ("redis://", 3600),
        ("rediss://", 3600),
        ("redis+socket:///run/redis.sock", 3600),
        ("sentinel://one:26379;sentinel://two:26379", 3600),
        ("sqs://", 1800),
        ("SQS://", 1800),
        ("amqp://", 1800),
        ("amqps://", 1800),
        ("pyamqp://", 1800),
        ("librabbitmq://", 1800),
        ("localhost", 1800),
        (["redis://one", "redis://two"], 3600),
        (["redis://one", "amqp://two"], 1800),
        ("amqp://one;amqp://two", 1800),
        ("confluentkafka://", None),
        ("memory://", None),
        ("filesystem://", None),
    ],
    ids=str,
)
def test_w003_limits_of_all_transports(
    celery: MakeCurrent, signal: Signal, defer: Connected, url: Any, limit: int | None
) -> None:
    celery(broker_url=url)
    defer(signal, name="tests.below", time_limit=1799)(receive)
    defer(signal, name="tests.at", time_limit=limit or 9000)(accept)
    told = [message.msg for message in found() if message.id == "deferred_signals.W003"]
    assert [text.split()[1] for text in told] == (["tests.at"] if limit else [])


def test_w003_rabbitmqs_own_limit_of_a_queue(
    celery: MakeCurrent, signal: Signal, defer: Connected
) -> None:
    patient = Queue("slow", queue_arguments={"x-consumer-timeout": 7_200_000})
    celery(broker_url="amqp://", task_queues=[patient, Queue("celery")])
    defer(signal, name="tests.slow", queue="slow", time_limit=7000)(receive)
    assert "deferred_signals.W003" not in ids()
    defer(signal, name="tests.slower", queue="slow", time_limit=7200)(accept)
    assert "deferred_signals.W003" in ids()


@pytest.mark.parametrize(
    ("url", "longest", "told"),
    [
        ("redis://", 3600, True),
        ("redis://", 3599, False),
        ("amqp://", 1800, True),
        ("amqp://", None, False),
        ("memory://", 9000, False),
    ],
)
def test_w003_longest_wait_beyond_the_limit(
    celery: MakeCurrent,
    signal: Signal,
    defer: Connected,
    settings: Settings,
    url: str,
    longest: float | None,
    told: bool,
) -> None:
    celery(broker_url=url)
    defer(signal)(receive)
    settings.DEFERRED_SIGNALS = {"LONGEST_WAIT": longest}
    assert ("deferred_signals.W003" in ids()) is told


@pytest.mark.skipif(
    find_spec("celery.utils.quorum_queues") is None,
    reason="this Celery leaves no delay to RabbitMQ",
)
def test_w003_queue_that_delays_natively_makes_no_message_wait_on_a_worker(
    celery: MakeCurrent, signal: Signal, defer: Connected
) -> None:
    exchange = Exchange("celery", type="topic")
    queue = Queue("celery", exchange, queue_arguments={"x-queue-type": "quorum"})
    celery(broker_url="amqp://", task_queues=[queue])
    defer(signal, countdown=7200, time_limit=1700)(receive)
    assert "deferred_signals.W003" not in ids()


def test_w004_eager_mode_in_a_deployment(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True}
    assert ids() == []
    assert ids(deploy=True) == ["deferred_signals.W004"]


def test_w004_celerys_own_switch(settings: Settings) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    assert ids(deploy=True) == ["deferred_signals.W004"]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://localhost", {"socket_timeout": 30, "socket_connect_timeout": 30}),
        ("sentinel://localhost", {"socket_timeout": 30, "socket_connect_timeout": 30}),
        ("amqp://localhost", {"read_timeout": 30, "write_timeout": 30}),
    ],
)
def test_w008_broker_without_socket_timeouts(
    url: str, options: dict[str, Any], signal: Signal, defer: Connected, celery: MakeCurrent
) -> None:
    defer(signal)(receive)
    celery(broker_url=url)
    (message,) = found()
    assert message.id == "deferred_signals.W008"
    assert all(name in str(message.hint) for name in options)
    celery(broker_url=url, broker_transport_options=options)
    assert ids() == []
