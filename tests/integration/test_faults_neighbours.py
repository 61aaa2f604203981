"""Messages that the broker refuses, among messages of other threads that it takes."""

import json
from uuid import uuid4

from kombu import Connection, Exchange

from tests.support.scenarios import Outcome, run_scenario

from .nodes import LocalRabbitMQ, LocalRedis, needs_local_broker
from .own_app import on_broker

pytestmark = needs_local_broker

#: Ten messages of each of eighteen threads, and one that came first.
INNOCENT = 181

GUILTY = 10


def sent_among(url: str, queue: str, bad_routes: dict[str, dict[str, str]]) -> Outcome:
    """Run a process of twenty threads, whose innocent ones publish to a queue."""
    outcome = run_scenario("among_bad_neighbours", url, queue, BAD_ROUTES=json.dumps(bad_routes))
    assert len(outcome.sent) == INNOCENT
    assert sorted(outcome.published) == sorted(outcome.sent)
    return outcome


def test_neighbours_of_messages_that_rabbitmq_refuses_lose_nothing(
    default_rabbitmq_broker: LocalRabbitMQ,
) -> None:
    broker, queue = default_rabbitmq_broker, f"neighbours.{uuid4().hex}"
    with Connection(broker.host_url) as connection:
        Exchange("forbidden", channel=connection.default_channel).declare()
    with broker.only_for("amq.default", "no.such.exchange", "deferred_signals", queue) as url:
        outcome = sent_among(
            url,
            queue,
            {
                "scenarios.lost": {"exchange": "no.such.exchange", "routing_key": "x"},
                "scenarios.forbidden": {"exchange": "forbidden", "routing_key": "x"},
            },
        )
    assert len(outcome.failed) == 2 * GUILTY
    for receiver, refusal in {
        "lost": "no exchange 'no.such.exchange'",
        "forbidden": "exchange 'forbidden' in vhost '/' refused for user 'limited'",
    }.items():
        lines = [line for line in outcome.errors.splitlines() if f"scenarios.{receiver}" in line]
        assert len(lines) == GUILTY
        assert all(refusal in line for line in lines)
    assert sorted(on_broker(broker.host_url, queue)) == sorted(outcome.sent)


def test_neighbours_of_messages_that_redis_refuses_lose_nothing(
    default_redis_broker: LocalRedis,
) -> None:
    broker, queue = default_redis_broker, f"neighbours.{uuid4().hex}"
    with broker.only_for("_kombu", queue) as url, broker.client as client:
        client.execute_command("ACL", "SETUSER", "limited", "%R~readable*")
        outcome = sent_among(
            url,
            queue,
            {
                "scenarios.forbidden": {"queue": "forbidden"},
                "scenarios.readable": {"queue": "readable"},
            },
        )
    assert len(outcome.failed) == 2 * GUILTY
    for receiver, refusal in {
        "forbidden": "LLEN forbidden",  # when the queue is declared
        "readable": "LPUSH to 'readable'",
    }.items():
        lines = [line for line in outcome.errors.splitlines() if f"scenarios.{receiver}" in line]
        assert len(lines) == GUILTY
        assert all("NoPermissionError" in line and refusal in line for line in lines)
    assert sorted(on_broker(broker.host_url, queue)) == sorted(outcome.sent)
