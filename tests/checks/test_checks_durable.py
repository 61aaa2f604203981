"""The system checks of durable delivery that must be told where its app is not installed."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.signals import user_login_failed
from django.core import checks
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import override_settings

from tests.app.models import Order
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")


def found() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals"])


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


@pytest.fixture
def without_outbox() -> Iterator[None]:
    """Take the outbox's app away."""
    others = [name for name in django_settings.INSTALLED_APPS if "outbox" not in name]
    with override_settings(INSTALLED_APPS=others):
        yield


@pytest.mark.usefixtures("without_outbox")
def test_e006_setting_without_the_app(configure: Callable[..., None]) -> None:
    configure(DURABLE=True)
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E006", True)
    assert "DEFERRED_SIGNALS['DURABLE'] is True, but 'deferred_signals.outbox'" in message.msg
    assert "Add 'deferred_signals.outbox' to INSTALLED_APPS" in str(message.hint)


def test_e006_receivers_without_the_app(defer: Connected) -> None:
    # While apps load, nobody knows which there are, and the receivers are accepted.
    for number in range(4):
        defer(Signal(), name=f"tests.durable_{number}", durable=True)(receive)
    defer(Signal(), name="tests.other")(receive)
    others = [name for name in django_settings.INSTALLED_APPS if "outbox" not in name]
    with override_settings(INSTALLED_APPS=others):
        (message,) = found()
    assert message.id == "deferred_signals.E006"
    names = "tests.durable_0, tests.durable_1, tests.durable_2 and 1 more"
    assert f"Receivers are durable ({names}), but 'deferred_signals.outbox'" in message.msg
    assert found() == []


@pytest.mark.usefixtures("without_outbox")
def test_nobody_who_wants_no_durable_delivery_needs_the_app(defer: Connected) -> None:
    defer(Signal(), durable=False)(receive)
    defer(Signal())(receive)
    assert found() == []


def test_app_that_is_installed_by_its_config_is_installed(configure: Callable[..., None]) -> None:
    apps = [
        name.replace("signals.outbox", "signals.outbox.apps.OutboxConfig")
        for name in django_settings.INSTALLED_APPS
    ]
    configure(DURABLE=True)
    with override_settings(INSTALLED_APPS=apps):
        assert found() == []


def test_e007_atomic_receiver_that_is_not_durable(
    defer: Connected, configure: Callable[..., None]
) -> None:
    configure(DURABLE=True)
    defer(post_save, sender=Order, name="tests.atomic", atomic=True)(receive)
    assert found() == []
    configure(DURABLE=False)
    (message,) = found()
    assert (message.id, message.is_serious()) == ("deferred_signals.E007", True)
    assert "tests.atomic has atomic=True, but neither durable=True nor" in message.msg
    assert "Give the receiver durable=True" in str(message.hint)


def test_e007_atomic_receiver_of_a_signal_that_waits_for_no_commit(
    defer: Connected, configure: Callable[..., None]
) -> None:
    configure(DURABLE=True)
    defer(user_login_failed, name="tests.atomic", atomic=True)(receive)
    (message,) = found()
    assert message.id == "deferred_signals.E007"
    assert "tests.atomic has atomic=True, but its signals wait for no commit" in message.msg
    assert message.hint == "Remove atomic=True."


def test_atomic_receiver_that_is_durable_is_sound(signal: Signal, defer: Connected) -> None:
    defer(signal, durable=True, atomic=True)(receive)
    assert found() == []


def test_wrong_setting_is_told_alone(signal: Signal, configure: Callable[..., None]) -> None:
    configure(DURABLE="yes", OUTBOX={"DATABASES": "default"})
    assert {message.id for message in found()} == {"deferred_signals.E001"}
