"""`manage.py deferred_receivers --live` asks real workers which queues they take from."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal

from tests.support.connected import Connected

from .nodes import Broker
from .workers import worker

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def receive(sender: object, **kwargs: object) -> None: ...


def live(*options: str) -> str:
    out = StringIO()
    call_command(
        "deferred_receivers", "--receiver", "tests.live", "--live", "2", *options, stdout=out
    )
    return out.getvalue()


def test_queue_that_no_worker_takes_from_is_told(
    broker: Broker, tmp_path: Path, signal: Signal, defer: Connected
) -> None:
    def lane(sender: object, **kwargs: object) -> str:
        return "aside"

    defer(signal, name="tests.live.one")(receive)
    defer(Signal(), name="tests.live.two", queue="aside")(receive)
    defer(Signal(), name="tests.live.any", queue=lane)(receive)
    with pytest.raises(CommandError, match="No worker answered within 2 s"):
        live()
    with worker(broker, tmp_path, options=("-Q", "celery")):
        with pytest.raises(CommandError, match="No worker that answered takes from aside"):
            live()
        with worker(broker, tmp_path, "beside", options=("-Q", "aside,others")):
            told = live()
            found = json.loads(live("--json"))["live"]
    assert "Workers that answered within 2 s: celery@beside, celery@own\n" in told
    assert "\naside   1          celery@beside\n" in told
    assert "\ncelery  1          celery@own\n" in told
    assert "Not known, since code chooses the queue: tests.live.any\n" in told
    assert found["workers"] == {"celery@beside": ["aside", "others"], "celery@own": ["celery"]}
    assert [(it["queue"], it["workers"]) for it in found["queues"]] == [
        ("aside", ["celery@beside"]),
        ("celery", ["celery@own"]),
    ]
    assert found["undecided"] == ["tests.live.any"]
