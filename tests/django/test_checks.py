"""The system checks, by their ids."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.dispatch import Signal
from pytest_django import Settings

from deferred_signals import Retry
from tests.conftest import Connected
from tests.project.celery import app

from .conftest import MakeCurrent


def found(*, deploy: bool = False) -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"], include_deployment_checks=deploy)


def ids(*, deploy: bool = False) -> list[str | None]:
    return [message.id for message in found(deploy=deploy)]


def receive(sender: object, **kwargs: object) -> None:
    """Never runs here."""


pytestmark = pytest.mark.usefixtures("only_own_receivers")


@pytest.fixture
def celery(make_current: MakeCurrent) -> MakeCurrent:
    """Celery's current app with another configuration."""
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
    """A project that made no Celery app."""
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


def test_w002_pickle(celery: MakeCurrent, signal: Signal, defer: Connected) -> None:
    celery(accept_content=["json", "pickle"], broker_url="memory://")
    assert ids() == []
    defer(signal)(receive)
    assert ids() == ["deferred_signals.W002"]


@pytest.mark.parametrize(
    ("options", "configuration", "count"),
    [
        ({"retry": Retry(wait_initial=7200, wait_max=7200)}, {}, 1),
        ({"retry": Retry(wait_initial=7200, wait_max=7200, max_attempts=1)}, {}, 0),
        ({"retry": Retry(wait_max=7200, max_attempts=3)}, {}, 0),
        ({"time_limit": 3600}, {}, 1),
        ({"time_limit": 3599}, {}, 0),
        ({"time_limit": 60, "chunk_size": 59}, {}, 0),
        ({"time_limit": 60, "chunk_size": 60}, {}, 1),
        ({"retry": None}, {"task_time_limit": 4000}, 1),
        ({"time_limit": 60}, {"broker_transport_options": {"visibility_timeout": 60}}, 1),
        ({"time_limit": 4000}, {"broker_transport_options": {"visibility_timeout": 9000}}, 0),
        ({"retry": Retry(wait_max=7200, wait_initial=7200), "time_limit": 4000}, {}, 2),
        ({"time_limit": 9000}, {"broker_url": "amqp://"}, 0),
    ],
    ids=str,
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
