"""When a send is durable, when it is not, and where it is refused."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.contrib.auth.signals import user_login_failed
from django.db import connections, transaction
from django.db.models.signals import post_save

from deferred_signals import (
    ConfigurationError,
    InvalidReceiver,
    PublishError,
    receiver,
)
from deferred_signals.sending.durable import keep_durable_in
from deferred_signals.testing import fake_crash, inline, live, manual, settings
from tests.app.models import Label
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.outbox import Durable

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


@pytest.mark.parametrize("mode", [lambda: settings(EAGER=True), inline, manual])
def test_no_mode_writes_a_row(durable: Durable, mode: Callable[[], object]) -> None:
    with mode(), transaction.atomic():  # type: ignore[attr-defined]
        durable.send(1)
    with mode():  # type: ignore[attr-defined]
        durable.send(2)
    assert durable.rows() == []
    assert durable.woken() == []


def test_test_without_a_mode_is_refused_and_live_allows(
    durable: Durable, broker_outside: None, configure: Callable[..., None]
) -> None:
    configure(KEEP_FOR=0)
    with pytest.raises(PublishError, match=r"inline\(\) or manual\(\)"):
        durable.send(1)
    with pytest.raises(PublishError, match="live"), transaction.atomic():
        durable.send(2)
    assert durable.rows() == []
    with live(), transaction.atomic():
        durable.send(3)
    assert durable.kept() == [3]


def test_crash_before_publishing_delivers_where_the_message_would_have_gone(
    durable: Durable, broker_outside: None, configure: Callable[..., None]
) -> None:
    configure(KEEP_FOR=0)
    with pytest.raises(PublishError, match=r"inline\(\) or manual\(\)"):  # noqa: SIM117
        with fake_crash(at="publish"), transaction.atomic():
            durable.send(1)
    assert durable.rows() == []
    with live():
        with fake_crash(at="publish"), transaction.atomic():
            durable.send(2)
            durable.send(3)
        with fake_crash(at="publish"), transaction.atomic():
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                durable.send(4)
                raise ZeroDivisionError
            durable.send(5)
    assert durable.kept() == [2, 3, 5]


@pytest.mark.parametrize("mode", [lambda: settings(EAGER=True), inline, manual])
def test_modes_refuse_what_nothing_would_keep(
    durable: Durable, mode: Callable[[], AbstractContextManager[object]]
) -> None:
    with mode():
        with pytest.raises(ConfigurationError, match="migrate --database other"):
            durable.send(1, using="other")
        before = keep_durable_in(None)
        try:
            with pytest.raises(ConfigurationError, match=r"'deferred_signals\.outbox'.*migrate"):
                durable.send(1)
        finally:
            keep_durable_in(before)


def test_setting_is_the_default_of_the_option(
    defer: Connected, durable: Durable, configure: Callable[..., None]
) -> None:
    durable.connect(name="tests.by_the_setting", durable=None)
    durable.connect(name="tests.never", durable=False)
    durable.send(1)
    assert [row.receiver for row in durable.rows()] == ["tests.durable"]
    assert len(durable.published()) == 3
    configure(DURABLE=True)
    durable.send(2)
    names = [row.receiver for row in durable.rows()]
    assert names == ["tests.durable", "tests.durable", "tests.by_the_setting"]


def test_atomic_without_durable_delivery_is_refused(configure: Callable[..., None]) -> None:
    with pytest.raises(InvalidReceiver, match="durable=True"):
        receiver(post_save, deferred=True, name="tests.atomic", atomic=True)(receive)


def test_signal_that_waits_for_no_commit_is_not_durable(
    defer: Connected, durable: Durable, broker: Broker, configure: Callable[..., None]
) -> None:
    with pytest.raises(InvalidReceiver, match="user_login_failed"):
        defer(user_login_failed, durable=True, opt_in=True, exclude=["credentials", "request"])(
            receive
        )
    configure(DURABLE=True)
    defer(user_login_failed, opt_in=True, exclude=["credentials", "request"])(receive)
    with transaction.atomic():
        user_login_failed.send(None, credentials={}, request=None)
        assert len(broker.take()) == 1
    assert durable.rows() == []


def test_database_without_a_table_is_refused_with_the_remedy(durable: Durable) -> None:
    for block in (transaction.atomic(using="other"), transaction.atomic()):
        with block, pytest.raises(ConfigurationError, match="migrate --database other") as caught:
            durable.send(1, using="other")
        assert "'tests.durable'" in str(caught.value)
        assert "DATABASES" in str(caught.value)
    assert durable.rows() == []
    assert "commit" not in vars(connections["other"])


@pytest.mark.usefixtures("outside_of_tests")
def test_refusal_reaches_the_sender_of_the_projects_own_signal(
    durable: Durable, lifecycle: Lifecycle
) -> None:
    with pytest.raises(ConfigurationError, match="migrate --database other"):
        durable.send(1, using="other")
    assert lifecycle.seen == []


@pytest.mark.usefixtures("outside_of_tests")
def test_refusal_is_reported_where_the_signal_is_another_packages(
    defer: Connected, durable: Durable, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    defer(post_save, sender=Label, name="tests.saved", durable=True, using="other")(receive)
    with transaction.atomic():
        Label.objects.create(name="saved")
    assert Label.objects.exists()
    (told,) = lifecycle.of("publish_failed")
    assert isinstance(told["exception"], ConfigurationError)
    (record,) = caplog.records
    assert "migrate --database other" in record.getMessage()


def test_database_of_another_kind_is_refused_at_the_send(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "vendor", "oracle")
        with pytest.raises(ConfigurationError, match="not on oracle"):
            durable.send(1)


def test_without_the_app_a_durable_send_is_refused(durable: Durable) -> None:
    before = keep_durable_in(None)
    try:
        with pytest.raises(ConfigurationError, match=r"'deferred_signals\.outbox'.*migrate"):
            durable.send(1)
    finally:
        keep_durable_in(before)


def test_send_in_a_coroutine_is_refused_as_any_other(durable: Durable) -> None:
    async def send() -> None:
        durable.signal.send(None, number=1)

    with pytest.raises(Exception, match="asend"):
        asyncio.run(send())
