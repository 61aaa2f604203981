"""The message that lies on the broker is the one that `apply_async` would have put there.

Each test sends several messages of one task in one transaction, takes them off a real broker, puts
the same on it by hand, and compares every field, the ids among them.
"""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, Task
from celery.app.amqp import AMQP
from kombu import Exchange, Queue
from kombu.serialization import register
from pytest_django import Settings

from .comparison import OTHER, QUEUE, Comparison, assert_same

# They write no row: with no app but ours there is no table to empty after each.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["deferred_signals"])

AN_HOUR = timedelta(hours=1)
A_MINUTE = timedelta(minutes=1)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
MOMENT = r"20\d\d-.*"

register(
    "indented", lambda value: json.dumps(value, indent=1), json.loads, "application/x-indented"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to configure what is published.

    Attributes:
        celery: Celery's settings.
        options: of the receiver.
        by_hand: of `apply_async`, where they are not the receiver's.
        shows: fields of the second message with patterns that they match, so that a case is seen
            to be what it says.
    """

    celery: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    by_hand: Mapping[str, Any] | None = None
    shows: Mapping[str, str]


def by_sharding(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    """Route by what is in the message, as projects do that have a queue for each tenant."""
    return {"queue": OTHER, "priority": 5} if '"number":2' in args[0] else None


class OldRouter:
    """A router as Celery 3 had them, which still works."""

    def route_for_task(self, name: str, args: Any = None, kwargs: Any = None) -> Any:
        return {"queue": OTHER, "headers": {"length": len(args[0])}}


class Urgent(Task):  # type: ignore[type-arg]
    """A base whose attributes are options of `apply_async`."""

    abstract = True
    priority = 6
    expires = 3600
    delivery_mode = "transient"


class Shadowed(Task):  # type: ignore[type-arg]
    """A base that names each message for monitors."""

    abstract = True

    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> Any:
        return f"shadow {zlib.crc32(args[0].encode())}"


class Stamping(Task):  # type: ignore[type-arg]
    """A base that gives each message something of its own."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        headers = {**(options.pop("headers", None) or {}), "own": f"of {options['task_id']}"}
        options |= {"stamped_headers": ["tenant"], "tenant": "blue", "headers": headers}
        return super().apply_async(*args, **options)


CASES = {
    "plain": Case(shows={"place": QUEUE, "shadow": "None", "ignore_result": "True"}),
    "queue": Case(options={"queue": OTHER}, shows={"place": OTHER}),
    "queue of each": Case(
        options={"queue": lambda sender, number, **kwargs: OTHER if number == 2 else QUEUE},
        by_hand={"queue": lambda number: OTHER if number == 2 else QUEUE},
        shows={"place": OTHER},
    ),
    "priority": Case(options={"priority": 3}, shows={"priority": "3"}),
    "priority of each": Case(
        options={"priority": lambda sender, number, **kwargs: number * 3},
        by_hand={"priority": lambda number: number * 3},
        shows={"priority": "6"},
    ),
    "default priority": Case(celery={"task_default_priority": 4}, shows={"priority": "4"}),
    "max priority": Case(
        celery={"task_queue_max_priority": 10}, options={"priority": 7}, shows={"priority": "7"}
    ),
    "countdown": Case(options={"countdown": 60}, shows={"eta": MOMENT}),
    "countdown of each": Case(
        options={"countdown": lambda sender, number, **kwargs: number * A_MINUTE},
        by_hand={"countdown": lambda number: number * 60},
        shows={"eta": MOMENT},
    ),
    "expires": Case(
        options={"expires": 3600.5}, shows={"expires": MOMENT, "expiration": "3600500"}
    ),
    "expires after a timedelta": Case(
        options={"expires": AN_HOUR}, by_hand={"expires": 3600}, shows={"expiration": "3600000"}
    ),
    "expires at a datetime": Case(
        options={"expires": TOMORROW}, shows={"expires": re.escape(TOMORROW.isoformat())}
    ),
    "a zone": Case(
        celery={"timezone": "Europe/Berlin"}, options={"countdown": 60}, shows={"eta": MOMENT}
    ),
    "local time": Case(
        celery={"enable_utc": False, "timezone": "Asia/Tokyo"},
        options={"countdown": 60, "expires": 7200},
        shows={"eta": MOMENT, "expires": MOMENT},
    ),
    "headers": Case(
        options={"headers": {"tenant": "blue", "nested": {"list": [1, None]}}},
        shows={"tenant": "blue", "list": r"\[1, None\]"},
    ),
    "time limits": Case(
        options={"time_limit": 60, "soft_time_limit": AN_HOUR / 120},
        by_hand={"time_limit": 60, "soft_time_limit": 30},
        shows={"timelimit": r"\[60(\.0)?, 30(\.0)?\]"},
    ),
    "compression": Case(options={"compression": "gzip"}, shows={"compression": ".*gzip"}),
    "compression of the app": Case(
        celery={"task_compression": "bzip2"}, shows={"compression": ".*bz2"}
    ),
    "serializer": Case(
        options={"serializer": "indented"}, by_hand={}, shows={"body": r"b'\[\\n \[\\n.*"}
    ),
    "serializer of the app": Case(
        celery={"task_serializer": "pickle"}, shows={"body": r"b'\\x80.*"}
    ),
    "results are kept": Case(
        options={"ignore_result": False}, by_hand={}, shows={"ignore_result": "False"}
    ),
    "routed by a pattern": Case(
        celery={"task_routes": {"faithful.*": {"queue": OTHER, "priority": 2}}},
        shows={"place": f"{OTHER}.*", "priority": "2"},
    ),
    "routed, but has a queue of its own": Case(
        celery={"task_routes": {"faithful.*": {"queue": OTHER}}},
        options={"queue": QUEUE},
        shows={"place": QUEUE},
    ),
    "routed by a function": Case(
        celery={"task_routes": [by_sharding]}, shows={"place": f"{OTHER}.*", "priority": "5"}
    ),
    "routed by an object": Case(
        celery={"task_routes": (OldRouter(),)}, shows={"place": OTHER, "length": r"\d+"}
    ),
    "routed to a routing key": Case(
        celery={
            "task_queues": [Queue(QUEUE, Exchange("faithful.topic", "topic"), "faithful.#")],
            "task_routes": {"faithful.*": {"queue": QUEUE, "routing_key": "faithful.orders"}},
        },
        shows={"exchange": "faithful.topic", "routing_key": "faithful.orders", "place": QUEUE},
    ),
    "a topic exchange": Case(
        celery={
            "task_default_exchange": "faithful.topic",
            "task_default_exchange_type": "topic",
            "task_default_routing_key": "faithful.usual",
        },
        shows={"exchange": "faithful.topic", "routing_key": "faithful.usual", "place": QUEUE},
    ),
    "a fanout exchange": Case(
        celery={"task_queues": [Queue(QUEUE, Exchange("faithful.fanout", "fanout"))]},
        shows={"exchange": "faithful.fanout"},
    ),
    "only known queues": Case(
        celery={
            "task_create_missing_queues": False,
            "task_queues": [Queue(QUEUE), Queue(OTHER, queue_arguments={"x-message-ttl": 10**7})],
        },
        options={"queue": OTHER},
        shows={"place": OTHER},
    ),
    "transient": Case(
        celery={"task_default_delivery_mode": "transient"}, shows={"delivery_mode": "1"}
    ),
    "annotated": Case(
        celery={"task_annotations": {"*": {"priority": 8, "time_limit": 90}}},
        shows={"priority": "8", "timelimit": r"\[90, None\]"},
    ),
    "attributes of a base": Case(
        options={"base": Urgent}, by_hand={}, shows={"priority": "6", "delivery_mode": "1"}
    ),
    "apply_async of a base": Case(
        options={"base": Stamping}, by_hand={}, shows={"tenant": "blue", "own": "of .*"}
    ),
    "shadow_name of a base": Case(
        options={"base": Shadowed}, by_hand={}, shows={"shadow": r"shadow \d+"}
    ),
    "never tried again": Case(celery={"task_publish_retry": False}, shows={"place": QUEUE}),
    "protocol 1": Case(celery={"task_protocol": 1}, shows={"body": ".*taskset.*"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_messages_are_those_of_apply_async(case: Case, comparison: Comparison) -> None:
    comparison.app(**case.celery)
    comparison.connect(case.by_hand, **case.options)
    _, second, _ = comparison.compare()
    for name, pattern in case.shows.items():
        assert re.fullmatch(pattern, str(second[name]), re.DOTALL), (name, second[name])


def test_route_of_one_name_is_not_taken_by_the_other_task_of_a_commit(
    comparison: Comparison,
) -> None:
    routed = comparison.connect()
    comparison.connect()
    comparison.app(task_routes={routed: {"queue": OTHER}})
    places = [raw["place"] for raw in comparison.compare()]
    assert places == [OTHER, QUEUE] * 3


def test_tasks_of_one_commit_keep_their_own_options(comparison: Comparison) -> None:
    comparison.app()
    comparison.connect(priority=3, headers={"tenant": "blue"})
    comparison.connect({"queue": OTHER}, queue=OTHER, serializer="indented")
    comparison.connect(expires=3600, compression="gzip")
    comparison.compare()


def test_queue_of_the_settings_is_as_if_it_was_given(
    comparison: Comparison, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {**settings.DEFERRED_SIGNALS, "QUEUE": OTHER}
    comparison.app()
    comparison.connect({"queue": OTHER})
    assert {raw["place"] for raw in comparison.compare()} == {OTHER}


def test_overridden_send_task_makes_each_message(comparison: Comparison) -> None:
    class Tenants(Celery):
        def send_task(self, *args: Any, **options: Any) -> Any:
            headers = {"own": f"of {options['task_id']}"}
            return super().send_task(*args, **options, headers=headers)

    comparison.app(Tenants)
    comparison.connect()
    found = comparison.compare()
    assert [raw["own"] for raw in found] == [f"of {raw.id}" for raw in found]


class OwnMessages(AMQP):
    """Makes messages with a header of their own."""

    def as_task_v2(self, task_id: str, *args: Any, **options: Any) -> Any:
        message = super().as_task_v2(task_id, *args, **options)
        message.headers["own"] = f"of {task_id}"
        return message


def test_overridden_amqp_makes_each_message(comparison: Comparison) -> None:
    class Own(Celery):
        amqp_cls = f"{__name__}:OwnMessages"

    comparison.app(Own)
    comparison.connect()
    found = comparison.compare()
    assert [raw["own"] for raw in found] == [f"of {raw.id}" for raw in found]


def test_event_is_sent_of_each_message(comparison: Comparison) -> None:
    comparison.app(task_send_sent_event=True, event_exchange="faithful.events")
    comparison.tap.listen("faithful.events")
    comparison.queues.append("faithful.events")
    comparison.connect()
    messages = comparison.send(1, 2, 3)
    ours = comparison.take(6)
    comparison.publish_by_hand(messages)
    assert_same(ours, comparison.take(6))
    assert {f"event {message.id}" for message in messages} < ours.keys()


@pytest.mark.parametrize(
    "celery_broker", ["celery_rabbitmq_broker"], ids=["rabbitmq"], indirect=True
)
def test_delay_is_the_brokers_where_queues_are_quorum_queues(comparison: Comparison) -> None:
    pytest.importorskip("celery.utils.quorum_queues", reason="Celery 5.5 has them")
    comparison.app(
        task_default_queue_type="quorum",
        task_default_exchange="faithful.topic",
        task_default_exchange_type="topic",
    )
    # Where Celery sends what is to be delayed: a worker declares it, with queues for each delay.
    comparison.tap.listen("celery_delayed_27")
    comparison.queues.append("celery_delayed_27")
    comparison.connect({"countdown": lambda number: number * 60}, countdown=by_the_minute)
    assert {raw["place"] for raw in comparison.compare()} == {"celery_delayed_27"}


def by_the_minute(sender: object, number: int, **kwargs: object) -> int:
    """Delay each message by more than the one before."""
    return number * 60
