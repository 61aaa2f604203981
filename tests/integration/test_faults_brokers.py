"""The broker is away for a while, or altogether."""

import time
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_celery import CeleryTestSetup

from deferred_signals import events
from deferred_signals.testing import settings
from tests.app.fault_receivers import fails_when_told, leaves_a_row, takes_its_time
from tests.app.models import Order, Run
from tests.project.celery import app
from tests.support.processes import free_port, wait_until

from .nodes import DOCKER, LocalRabbitMQ
from .queues import assert_nothing_left, waiting
from .runs import defer, runs, wait_for_runs
from .workers import forget_connections

#: Redis takes messages as long as it gives them out.
only_rabbitmq = pytest.mark.parametrize(
    "celery_broker", ["celery_rabbitmq_broker"], ids=["rabbitmq"], indirect=True
)
if DOCKER:
    only_rabbitmq = pytest.mark.skip("this test needs the command that controls its own broker")


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


def test_broker_that_freezes_while_a_receiver_fails_gets_the_next_attempt_when_it_is_back(
    celery_setup: CeleryTestSetup,
) -> None:
    message = defer(fails_when_told)
    wait_for_runs(1, message_id=message)
    celery_setup.broker.container.kill("SIGSTOP")
    try:
        Run.log("told")
        time.sleep(4)
    finally:
        celery_setup.broker.container.kill("SIGCONT")
    wait_for_runs(1, timeout=60, message_id=message, attempt=2)
    assert_nothing_left(celery_setup, within=40)
    # What was not answered in time may have arrived as well.
    assert max(Counter(run.attempt for run in runs(message_id=message)).values()) <= 2
    assert not runs(receiver="failed")


@only_rabbitmq
def test_next_attempt_that_rabbitmq_has_not_confirmed_is_no_reason_to_let_go_of_this_one(
    celery_setup: CeleryTestSetup,
) -> None:
    rabbitmq = celery_setup.broker.container
    message = defer(fails_when_told)
    wait_for_runs(1, message_id=message)
    with rabbitmq.blocked():
        Run.log("told")
        time.sleep(3)
        rabbitmq.kill()  # and what it has not confirmed is gone
        rabbitmq.process.start(timeout=60)
    wait_for_runs(1, timeout=60, message_id=message, attempt=2)
    assert_nothing_left(celery_setup, within=40)
    assert not runs(receiver="failed")


@only_rabbitmq
def test_next_attempt_waits_for_a_rabbitmq_that_takes_no_messages(
    celery_setup: CeleryTestSetup,
) -> None:
    message = defer(fails_when_told)
    wait_for_runs(1, message_id=message)
    with celery_setup.broker.container.blocked():
        Run.log("told")
        time.sleep(3)
        assert not runs(message_id=message, attempt=2)
    wait_for_runs(1, timeout=60, message_id=message, attempt=2)
    assert len(runs(message_id=message, attempt=1)) == 1
    assert_nothing_left(celery_setup, within=40)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_broker_that_refuses_connections_fails_no_request_and_is_reported(scheme: str) -> None:
    told: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        told.append(kwargs)

    events.publish_failed.connect(listen)
    began = time.monotonic()
    try:
        with (
            override_settings(CELERY_BROKER_URL=f"{scheme}://127.0.0.1:{free_port()}"),
            settings(KEEP_FOR=0),
        ):
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
