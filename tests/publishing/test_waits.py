"""How long a message may wait on a worker, and how longer waits are cut into pieces."""

import time
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest
from celery import VERSION_BANNER
from celery.app.task import Context
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange, Queue
from pytest_django import Settings

from deferred_signals.publishing.waits import (
    HEADER,
    LATEST,
    due_of,
    in_pieces,
    longest_wait,
    moment_of,
    seconds_left,
)
from tests.support.celery_apps import MakeCurrent

QUORUM = {"x-queue-type": "quorum"}


@pytest.mark.parametrize(
    ("broker", "options", "longest"),
    [
        ("redis://", {}, 1800),
        ("rediss://", {"visibility_timeout": 60}, 30),
        ("redis+socket:///run/redis.sock", {"visibility_timeout": 3}, 1.5),
        ("sentinel://", {}, 1800),
        ("redis://", {"visibility_timeout": None}, 1800),
        ("redis://", {"visibility_timeout": "soon"}, 1800),
        ("amqp://", {}, 900),
        ("pyamqp://", {"visibility_timeout": 3}, 900),
        ("memory://", {"visibility_timeout": 3}, inf),
        ("filesystem://", {}, inf),
    ],
)
def test_longest_wait_is_what_the_broker_allows(
    make_current: MakeCurrent,
    broker: str,
    options: dict[str, Any],
    longest: float,
) -> None:
    make_current(broker_url=broker, broker_transport_options=options)
    assert longest_wait() == longest


@pytest.mark.parametrize("broker", ["redis://", "amqp://", "memory://"])
def test_longest_wait_of_the_settings_holds_for_all_brokers(
    make_current: MakeCurrent,
    settings: Settings,
    broker: str,
) -> None:
    settings.DEFERRED_SIGNALS = {"LONGEST_WAIT": timedelta(minutes=2)}
    make_current(broker_url=broker)
    assert longest_wait() == 120


@pytest.mark.parametrize(
    ("queues", "longest"),
    [
        ([Queue("a", Exchange("x", "topic"), queue_arguments=QUORUM)], inf),
        ([Queue("a", Exchange("x", "direct"), queue_arguments=QUORUM)], 900),
        ([Queue("a", Exchange("x", "topic"))], 900),
        (
            [Queue("a", Exchange("x", "topic"), queue_arguments=QUORUM), Queue("b", Exchange("b"))],
            900,
        ),
    ],
    ids=["delayed by RabbitMQ", "behind a direct exchange", "no quorum queue", "one is direct"],
)
@pytest.mark.skipif("5.4" in VERSION_BANNER, reason="it never leaves a wait to the broker")
def test_wait_that_rabbitmq_keeps_by_itself_is_not_cut(
    make_current: MakeCurrent,
    queues: list[Queue],
    longest: float,
) -> None:
    make_current(broker_url="amqp://", task_queues=queues)
    assert longest_wait() == longest


@given(wait=st.floats(0.001, 1e12), longest=st.floats(0.1, 1e6))
def test_pieces_add_up_to_the_wait(wait: float, longest: float) -> None:
    """Check that no message is due sooner, and no piece is longer than the longest wait."""
    before = time.time()
    with override_settings(DEFERRED_SIGNALS={"LONGEST_WAIT": longest}):
        countdown, headers = in_pieces(wait)
    after = time.time()
    assert countdown == min(wait, longest)
    due = due_of(Context(headers))
    if wait <= longest:
        assert headers == {}
        assert due is None
    else:
        assert due is not None
        assert min(before + wait, LATEST) <= due <= min(after + wait, LATEST)


@pytest.mark.parametrize(
    "header",
    [
        None, "", 5, [], {}, {"due": None}, {"due": "5"}, {"due": True}, {"due": nan}, {"due": inf},
        {"due": 0}, {"due": -1}, {"due": 10**400}, {"due": LATEST + 1}, {"due": {}},
    ],
)  # fmt: skip
def test_header_that_tells_no_moment_is_no_wait(header: object) -> None:
    assert due_of(Context({HEADER: header})) is None
    assert seconds_left(Context({HEADER: header})) == 0


def test_what_is_left_of_a_wait_is_never_negative() -> None:
    assert seconds_left(Context({HEADER: {"due": time.time() - 5}})) == 0
    assert 4 < seconds_left(Context({HEADER: {"due": time.time() + 5}})) <= 5
    assert 4 < seconds_left(Context(headers={HEADER: {"due": time.time() + 5}})) <= 5  # protocol 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T08:30:00+00:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC).timestamp()),
        ("2026-01-31T09:30:00.5+01:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC).timestamp() + 0.5),
        ("2026-01-31T08:30:00", datetime(2026, 1, 31, 8, 30, tzinfo=UTC).timestamp()),
        ("soon", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_moment_is_read_as_celery_writes_it(text: object, moment: float | None) -> None:
    assert moment_of(text) == moment
