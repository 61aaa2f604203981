"""What a worker does for a request belongs to the request's trace, by the headers of the message."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.tracers.conftest import ROOT


@dataclass(frozen=True, kw_only=True)
class Tracer:
    """How a tracer is used.

    Attributes:
        orders: when it is set up: before everything else is imported, or after.
        environment: the variables that its users set.
        command: the command that its users put before their own, where it is set up first.
    """

    orders: tuple[str, ...] = ("first", "last")
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


TRACERS = {
    "sentry": Tracer(),
    "opentelemetry": Tracer(),
    "datadog": Tracer(
        environment={
            "DD_CELERY_DISTRIBUTED_TRACING": "true",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        },
        command=("ddtrace-run",),
    ),
    "elastic": Tracer(orders=("first",)),
}
NAME = os.environ["TRACER"]
TRACER = TRACERS[NAME]


@pytest.fixture(scope="module")
def all_told(broker_url: str) -> dict[str, Any]:
    """Run the shop once for each order, at the same time, each on a database of Redis's."""
    programs = {
        order: subprocess.Popen(
            [
                *(TRACER.command if order == "first" else ()),
                *(sys.executable, "-m", "tests.tracers.program", f"with_{NAME}", order),
            ],
            cwd=ROOT,
            env={**os.environ, **TRACER.environment, "BROKER_URL": f"{broker_url}/{database}"},
            stdout=subprocess.PIPE,
        )
        for database, order in enumerate(TRACER.orders)
    }
    return {order: told_by(program) for order, program in programs.items()}


def told_by(program: "subprocess.Popen[bytes]") -> Any:
    """Return what a program printed last, when it has ended well."""
    printed, _ = program.communicate(timeout=180)
    assert program.returncode == 0
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(params=TRACER.orders)
def told(request: pytest.FixtureRequest, all_told: dict[str, Any]) -> Any:
    return all_told[request.param]


def test_each_run_belongs_to_the_trace_of_the_request_that_sent(told: Any) -> None:
    spans = {number: span for number, span, _ in told["requests"]}
    assert len({trace for trace, _ in spans.values()}) == 2
    assert sorted(number for number, _ in told["runs"]) == [0] * 6 + [1] * 6
    for number, (trace, span) in told["runs"]:
        request_trace, request_span = spans[number]
        assert trace == request_trace
        assert request_span in ancestors(told["parents"], span)


def ancestors(parents: dict[str, str | None], span: str) -> list[str]:
    """Return the spans above a span, the nearest first."""
    found: list[str] = []
    while (above := parents.get(span)) and above not in found:
        found.append(above)
        span = above
    return found


def test_commit_leaves_the_current_span_as_it_was(told: Any) -> None:
    for _, before, after in told["requests"]:
        assert before == after
    assert told["between"] == [None, None]
