"""What a message carries beside its task and arguments, as read from a worker's request."""

from typing import Any

import pytest
from celery.app.task import Context
from kombu import Exchange, Queue

from deferred_signals.publishing.waits import HEADER
from deferred_signals.worker.carried import compression_of, headers_of, queue_of
from tests.project.celery import app
from tests.support.celery_apps import MakeCurrent

TRACE = {"sentry-trace": "771a43a4192642f0b136d5159a501700-1"}
#: All that this version of Celery writes into a message.
CELERYS = {
    **dict.fromkeys(app.amqp.as_task_v2("5f1c", "tests.nobody").headers),
    "lang": "py",
    "compression": "application/x-gzip",
}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"_schema_name": "blue", "tenant": {"id": 7}},
        {**TRACE, "headers": {"baggage": "a=1"}},
        {"_schema_name": "blue", **TRACE, "headers": {"baggage": "a=1"}},
        {"x-request-id": "7"},
    ],
    ids=["none", "flat", "a tracer's", "a tenant's beside a tracer's", "like one of the broker's"],
)
def test_custom_headers_are_carried_and_no_others(headers: dict[str, Any]) -> None:
    ours = {HEADER: {"due": 7.0}}
    brokers = {"x-death": [], "x-first-death-queue": "a", "x-delivery-count": 2}
    worker = {"hostname": "a", "delivery_info": {}, "properties": {}, "args": (), "kwargs": {}}
    request = Context({**CELERYS, **ours, **brokers, **worker, **headers})
    assert headers_of(request) == headers


def test_headers_of_protocol_1_are_carried_too() -> None:
    headers = {"tenant": "blue", "compression": "application/x-gzip", HEADER: {"due": 7.0}}
    request = Context({"task": "tests.nobody", "id": "5f1c", "utc": True, "headers": headers})
    assert headers_of(request) == {"tenant": "blue"}
    assert compression_of(request) == "application/x-gzip"


QUEUES = [
    Queue("audit", Exchange("audits", "topic"), routing_key="audit.all"),
    Queue("mail", Exchange("mails", "direct"), routing_key="mail"),
]
PREFIX = ".".join("0" * 28)


@pytest.mark.parametrize(
    ("exchange", "key", "queue"),
    [
        ("", "mail", "mail"),
        ("audits", "audit.all", "audit"),
        ("audits", "audit.other", None),
        ("mails", "audit.all", None),
        ("celery_delayed_delivery", f"{PREFIX}.audit.all", "audit"),
        (None, None, None),
    ],
)
def test_queue_is_found_again_also_where_rabbitmq_held_the_message_back(
    make_current: MakeCurrent,
    exchange: str | None,
    key: str | None,
    queue: str | None,
) -> None:
    make_current(broker_url="amqp://", task_queues=QUEUES)
    request = Context({"delivery_info": {"exchange": exchange, "routing_key": key}})
    assert queue_of(request) == queue
