"""Receivers whose results are kept: a backend is told of each message before it is published."""

from typing import Any

import pytest
from celery.app.task import Context
from celery.backends.base import DisabledBackend
from celery.result import AsyncResult

from .comparison import Comparison

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


@pytest.mark.parametrize("ignored", [True, False])
def test_backend_is_told_of_messages_whose_results_are_kept(
    comparison: Comparison, ignored: bool
) -> None:
    backend: Any = comparison.app(result_backend=f"{__name__}:ToldBackend").backend
    comparison.connect(ignore_result=ignored)
    messages = comparison.send(*NUMBERS)
    assert backend.told == ([] if ignored else [message.id for message in messages])
