"""The broker is away for a while, or altogether."""

import time
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_celery import CeleryTestSetup

from deferred_signals import events
from tests.app.fault_receivers import leaves_a_row, takes_its_time
from tests.app.models import Order
from tests.project.celery import app

from .conftest import forget_connections
from .helpers import defer, runs, wait_for_runs, waiting
from .nodes import LocalRabbitMQ
from .processes import free_port, wait_until


def test_broker_that_restarts_under_its_worker_loses_nothing_that_it_keeps_on_disk(
    celery_setup: CeleryTestSetup,
) -> None:
    running = [defer(takes_its_time, seconds=2) for _ in range(2)]
    queued = [defer(leaves_a_row, number=number) for number in range(20)]
    wait_for_runs(2, receiver="takes_its_time")
    celery_setup.broker.restart()
    after = [defer(leaves_a_row, number=number) for number in range(3)]
    on_disk = isinstance(celery_setup.broker.container, LocalRabbitMQ)
    messages = {*running, *queued, *after} if on_disk else set(after)
    wait_until(lambda: messages <= {run.message_id for run in runs()}, 60, "all run")
    wait_until(lambda: not waiting(celery_setup.app), 15, "the queue is empty")
    ran = [run for run in runs() if run.message_id]
    assert max(Counter(run.message_id for run in ran).values()) <= 2
    assert {run.attempt for run in ran} == {1}
    assert not runs(receiver="failed")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_broker_that_refuses_connections_fails_no_request_and_is_reported(scheme: str) -> None:
    told: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        told.append(kwargs)

    events.publish_failed.connect(listen)
    began = time.monotonic()
    try:
        with override_settings(CELERY_BROKER_URL=f"{scheme}://127.0.0.1:{free_port()}"):
            forget_connections(app)
            with transaction.atomic():
                order = Order.objects.create(status="new")
                lost = [defer(leaves_a_row, number=number) for number in range(3)]
    finally:
        events.publish_failed.disconnect(listen)
        forget_connections(app)
    assert time.monotonic() - began < 10
    assert Order.objects.filter(pk=order.pk).exists()
    assert [message.id for kwargs in told for message in kwargs["messages"]] == lost
