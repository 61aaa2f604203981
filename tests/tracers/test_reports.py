"""Sentry is told of a receiver's failure once, as of an unhandled one, and of no values by us."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Process, wait_until
from tests.tracers.conftest import ROOT

pytestmark = pytest.mark.skipif(os.environ["TRACER"] != "sentry", reason="it is about Sentry")

SECRET = "swordfish"


@dataclass(frozen=True)
class Shop:
    """A worker that reports, and what it reported."""

    worker: Process
    events: Path
    env: dict[str, str]

    def do(self, call: str) -> None:
        """Call a function of the shop, in a process that sends."""
        subprocess.run(
            [sys.executable, "-c", f"from tests.tracers.reporting import *; {call}"],
            cwd=ROOT,
            env={**os.environ, **self.env},
            check=True,
        )

    def reported(self) -> list[dict[str, Any]]:
        """Stop the worker, which sends what it has left to send, and return all events."""
        self.worker.stop(timeout=30)
        return [json.loads(line) for line in self.events.read_text().splitlines()]


@pytest.fixture(params=["prefork", "threads"])
def shop(request: pytest.FixtureRequest, broker_url: str, tmp_path: Path) -> Iterator[Shop]:
    env = {
        "BROKER_URL": f"{broker_url}/{5 if request.param == 'prefork' else 6}",
        "EVENTS": str(tmp_path / "events"),
    }
    command = f"-m celery -A tests.tracers.reporting worker -P {request.param} -c 1 -l INFO"
    worker = Process(
        "worker", [sys.executable, *command.split()], log=tmp_path / "log", ready="ready.", env=env
    )
    (tmp_path / "events").touch()
    worker.start(timeout=60)
    yield Shop(worker, tmp_path / "events", env)
    worker.kill()


def wait_for(shop: Shop, told: str) -> None:
    wait_until(lambda: told in shop.worker.logs(), 30, told)


def ours(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the library's frames in an event, those of causes too."""
    return [
        frame
        for exception in event["exception"]["values"]
        for frame in exception["stacktrace"]["frames"]
        if frame["module"].startswith("deferred_signals.")
    ]


@pytest.mark.parametrize(
    ("name", "receiver", "message"),
    [("paid", "charge", "not charged"), ("prepared", "prepare", "not prepared")],
)
def test_failure_for_good_is_one_unhandled_error_without_values_of_ours(
    shop: Shop, name: str, receiver: str, message: str
) -> None:
    shop.do(f"send({name!r})")
    wait_for(shop, f"Task tests.tracers.reporting.{receiver}[")
    wait_for(shop, "raised unexpected")
    (event,) = shop.reported()
    *_, exception = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", message)
    assert exception["mechanism"] == {"type": "celery", "handled": False}
    assert ours(event)
    assert SECRET not in json.dumps(ours(event))
    assert SECRET not in json.dumps([event.get("extra"), event.get("breadcrumbs")])
    assert f"{receiver} failed for good" in shop.worker.logs()
    assert f"{receiver}(number, card)" in shop.worker.logs()


def test_payload_that_is_no_message_is_one_unhandled_error_that_does_not_show_it(
    shop: Shop,
) -> None:
    shop.do("send_malformed()")
    wait_for(shop, "raised unexpected")
    (event,) = shop.reported()
    *_, exception = event["exception"]["values"]
    assert exception["type"] == "DecodeError"
    assert exception["mechanism"] == {"type": "celery", "handled": False}
    assert SECRET not in json.dumps(ours(event))


def test_failed_call_of_a_chunk_is_one_error_without_values_of_ours(shop: Shop) -> None:
    shop.do("send('shipped')")
    wait_for(shop, "succeeded in")
    (event,) = shop.reported()
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("RuntimeError", "not shipped")
    assert ours(event)
    assert SECRET not in json.dumps(ours(event))
    assert SECRET not in json.dumps(event["logentry"])


def test_failure_that_is_expected_is_not_reported(shop: Shop) -> None:
    shop.do("send('refunded')")
    wait_for(shop, "raised expected")
    assert shop.reported() == []
