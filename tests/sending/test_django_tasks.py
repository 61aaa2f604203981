"""The signals of `django.tasks`, which came with Django 6.0."""

from typing import Any

import django
import pytest
from pytest_django import Settings

from tests.support.connected import Connected
from tests.support.recorder import listen

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("eager"),
    pytest.mark.skipif(django.VERSION < (6,), reason="django.tasks came with Django 6.0"),
]


def work(number: int) -> int:
    """Be the task that is enqueued."""
    return number * 2


@pytest.fixture
def task(settings: Settings) -> Any:
    from django.tasks import task  # noqa: PLC0415 - of Django 6

    settings.TASKS = {
        "default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend", "QUEUES": []}
    }
    return task()(work)


@pytest.mark.parametrize("name", ["task_enqueued", "task_started", "task_finished"])
def test_signal_of_a_task_tells_which_and_how_it_stands(
    name: str, task: Any, defer: Connected
) -> None:
    from django.tasks import signals  # noqa: PLC0415 - of Django 6

    got = listen(defer, getattr(signals, name), opt_in=True)
    result = task.enqueue(7)
    assert got["task_result"].keys() == {"id", "status", "backend", "task"}
    assert got["task_result"]["id"] == result.id
    assert got["task_result"]["task"] == f"{__name__}.work"
    assert got["task_result"]["backend"] == "default"
    assert got["sender"].__name__ == "ImmediateBackend"
