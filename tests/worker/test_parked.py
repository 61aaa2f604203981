"""What Celery logs of a message for a task that it does not know."""

import logging
from typing import Any

import pytest
from celery.worker.consumer import consumer
from django.dispatch import Signal

from deferred_signals.worker import parked  # noqa: F401 - as a worker does when it starts
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.connected import Connected

UNKNOWN_TASK_ERROR: str = consumer.UNKNOWN_TASK_ERROR  # type: ignore[attr-defined]  # Celery's text


def receive(sender: object, **kwargs: Any) -> None:
    """Never run: no test here delivers the message."""


@pytest.mark.django_db(transaction=True)
def test_body_of_a_message_for_an_unknown_task_is_not_logged(
    signal: Signal, defer: Connected, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    defer(signal)(receive)
    signal.send(None, card="4111 1111")
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        message = channel.basic_get("celery", no_ack=True)
    body = consumer.dump_body(message, message.body)
    assert "4111 1111" in body
    logging.getLogger("celery.worker.consumer.consumer").error(
        UNKNOWN_TASK_ERROR, KeyError("x"), body, {}, {}
    )
    assert "a message of deferred_signals" in caplog.text
    assert "4111 1111" not in caplog.text


def test_other_bodies_are_logged_unchanged(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("celery.worker.consumer.consumer")
    logger.error(UNKNOWN_TASK_ERROR, KeyError("x"), "[[1], {}, {}]", {}, {})
    assert "[[1], {}, {}]" in caplog.text
