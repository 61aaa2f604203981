"""What the broker gets of a durable message: a wake-up that names a row, and carries no values."""

import json
import logging
from collections.abc import Callable
from time import monotonic

import pytest
from celery import Celery
from django.db import transaction
from django.db.models.signals import post_save

from deferred_signals.testing import live
from tests.app.models import Order
from tests.project.celery import app
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.outbox import Durable, wake_up_of

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def test_wake_up_names_its_row_and_carries_no_values(durable: Durable, defer: Connected) -> None:
    defer(post_save, sender=Order, name="tests.saved", durable=True, snapshot=True)(receive)
    with transaction.atomic():
        order = Order.objects.create(status="swordfish")
        durable.send(1, card="swordfish")
    saved, sent = durable.published()
    rows = durable.rows()
    for message, row in zip((saved, sent), rows, strict=True):
        wake_up = wake_up_of(message)
        assert (wake_up.using, wake_up.id, wake_up.attempt) == ("default", str(row.id), 0)
        assert message.headers["id"] == str(row.id)
        assert message.task == row.receiver
        assert message.wires == (wake_up.to_wire(),)
    assert sent.headers["argsrepr"] == "(number, card)"
    assert f"(instance=tests_app.Order {order.pk}, " in saved.headers["argsrepr"]
    for message in (saved, sent):
        assert "swordfish" not in json.dumps([message.headers, message.properties], default=str)


def test_wake_up_goes_the_way_of_its_receivers_task(durable: Durable) -> None:
    durable.connect(name="tests.routed", queue="slow", headers={"team": "billing"}, time_limit=60)
    durable.send(1)
    (message,) = durable.published("slow")
    assert message.task == "tests.routed"
    assert message.headers["team"] == "billing"
    assert message.headers["timelimit"] == [60, None]


def test_message_is_told_as_published_when_its_wake_up_is(
    durable: Durable, lifecycle: Lifecycle
) -> None:
    with transaction.atomic():
        ids = durable.send(1, 2)
        assert lifecycle.names == []
    durable.published()
    told = [one["message"].id for one in lifecycle.of("message_published")]
    assert told[:2] == ids


@pytest.fixture
def away(make_current: MakeCurrent, configure: Callable[..., None]) -> Callable[..., Celery]:
    """Take the broker away, and keep no message for it."""
    configure(KEEP_FOR=0)
    return make_current


def failed(durable: Durable, caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    """Wait until the log tells of wake-ups that were not published; return what it tells."""
    for _ in range(1000):
        if len(caplog.records) >= count:
            break
        durable.signal.send(None, number=0)
    return [record.getMessage() for record in caplog.records]


def test_wake_up_that_cannot_be_published_is_told_once_an_outage_and_never_as_lost(
    durable: Durable,
    away: MakeCurrent,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    durable.send(0)
    durable.published()  # no outage of another test's goes on
    for outage in (1, 2):
        caplog.clear()
        with live():
            away(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)
            with transaction.atomic():
                durable.send(1, 2)
            texts = failed(durable, caplog, 1)
            with transaction.atomic():
                durable.send(3)
        assert len(caplog.records) == 1, texts
        assert caplog.records[0].levelno == logging.WARNING
        assert "will be delivered by the relay" in texts[0]
        assert "lost" not in texts[0]
        app.set_current()
        durable.send(outage)
        durable.published()
    assert lifecycle.of("publish_failed") == []
    assert len(durable.rows()) >= 8


@pytest.mark.parametrize("nothing", [{"KEEP_FOR": 0}, {"KEEP_MESSAGES": 0}, {"KEEP_BYTES": 0}])
def test_wake_up_is_published_though_nothing_may_be_kept_for_a_broker_that_is_away(
    durable: Durable, configure: Callable[..., None], nothing: dict[str, int]
) -> None:
    configure(**nothing)
    with transaction.atomic():
        ids = durable.send(*range(20))
    assert durable.woken() == ids


def test_commit_does_not_wait_for_a_broker_that_is_away(
    durable: Durable, away: MakeCurrent, configure: Callable[..., None]
) -> None:
    configure(PUBLISH_TIMEOUT=30, CONNECT_TIMEOUT=30)
    # An address that nobody answers for: a connection to it is neither made nor refused.
    away(broker_url="amqp://192.0.2.1:5672//")
    with live():
        began = monotonic()
        with transaction.atomic():
            durable.send(1)
        assert monotonic() - began < 10
    assert durable.kept() == [1]
