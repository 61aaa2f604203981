"""Receivers whose results are kept: a backend is told of each message before it is published."""

import threading
from typing import Any

import pytest
from celery.app.task import Context
from celery.backends.base import DisabledBackend
from celery.result import AsyncResult

from .comparison import Comparison
from .nodes import LocalRedis

# They write no row: with no app but ours there is no table to empty after each.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["deferred_signals"])

NUMBERS = (1, 2, 3)


class ToldBackend(DisabledBackend):
    """Keeps no results, but wants to prepare for them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.told: list[str] = []

    def on_task_call(self, producer: Any, task_id: str) -> None:
        self.told.append(task_id)


def test_result_of_each_message_finds_its_way_back(comparison: Comparison) -> None:
    backend: Any = comparison.app(result_backend="rpc://").backend
    comparison.connect(ignore_result=False)
    messages = comparison.send(*NUMBERS)
    for raw in comparison.take(len(NUMBERS)).values():
        # What a worker does when the task has run.
        request = Context(reply_to=raw["reply_to"], correlation_id=raw["correlation_id"])
        backend.store_result(raw.id, "done", "SUCCESS", request=request)
    for message in messages:
        assert AsyncResult(message.id).get(timeout=10) == "done"
    backend.result_consumer.stop()


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own
def test_result_in_redis_is_found_whether_it_came_before_somebody_waits_or_later(
    comparison: Comparison, default_redis_broker: LocalRedis
) -> None:
    backend: Any = comparison.app(result_backend=default_redis_broker.host_url).backend
    comparison.connect(ignore_result=False)
    early, late = comparison.send(1, 2)
    backend.store_result(early.id, "done", "SUCCESS")
    assert AsyncResult(early.id).get(timeout=10) == "done"
    later = threading.Timer(0.2, backend.store_result, (late.id, "done", "SUCCESS"))
    later.start()
    assert AsyncResult(late.id).get(timeout=10) == "done"
    later.join()
    backend.result_consumer.stop()


@pytest.mark.parametrize("backend", ["rpc", "redis"])
def test_message_whose_result_is_kept_is_the_one_that_celery_makes(
    comparison: Comparison, backend: str, default_redis_broker: LocalRedis
) -> None:
    urls = {"rpc": "rpc://", "redis": default_redis_broker.host_url}
    comparison.app(result_backend=urls[backend])
    comparison.connect(ignore_result=False)
    messages = comparison.compare()
    assert [message["ignore_result"] for message in messages] == [False] * 3


@pytest.mark.parametrize("ignored", [True, False])
def test_backend_is_told_of_messages_whose_results_are_kept(
    comparison: Comparison, ignored: bool
) -> None:
    backend: Any = comparison.app(result_backend=f"{__name__}:ToldBackend").backend
    comparison.connect(ignore_result=ignored)
    messages = comparison.send(*NUMBERS)
    assert backend.told == ([] if ignored else [message.id for message in messages])
