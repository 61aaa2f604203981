"""The outage drill, as its page tells it: the steps are taken, and the log has the lines that it shows."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from tests.support.demo import FOREIGN, ROOT, Demo
from tests.support.processes import wait_until

PAGE = (ROOT / "docs" / "drill.md").read_text(encoding="utf-8")
TELEMETRY = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
RECEIPT = "demo_site.shop.receivers.send_receipt"
#: Seconds that a thing may take which other processes do.
PATIENCE = 90


class Drill:
    """The demo, and what a team does to it."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        demo.wait_for("Ctrl-C stops the shop")
        address = re.search(r"Open (http://[\d.:]+)", demo.output)
        assert address
        self._client = httpx.Client(base_url=address[1], timeout=20, trust_env=False)
        self._client.get("/").raise_for_status()
        self._folder = folder / "var" / "serve"
        exports = re.findall(r"export (\w+)=(.*)", (self._folder / "env").read_text())
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self._env = {**kept, **{name: value.strip("'") for name, value in exports}}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client.close()

    def press(self, path: str, **fields: str) -> None:
        fields["csrfmiddlewaretoken"] = self._client.cookies["csrftoken"]
        assert self._client.post(path, data=fields).status_code == 302

    def order(self, **fields: str) -> None:
        self.press("/orders/", product="cup", quantity="2", **fields)

    def run(self, module: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def log(self) -> str:
        return self.log_of("worker")

    def log_of(self, process: str) -> str:
        return (self._folder / f"{process}.log").read_text(errors="replace")

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until the worker's log has a pattern so many times."""

        def is_there() -> bool:
            return len(re.findall(pattern, self.log)) >= times

        wait_until(is_there, PATIENCE, f"{pattern} {times} times in {self.log[-3000:]}")

    def counted(self, metric: str, **labels: str) -> float:
        """Return a sample of the metrics."""
        for line in self._client.get("/metrics/").text.splitlines():
            if line.startswith(f"{metric}{{") and all(
                f'{name}="{value}"' in line for name, value in labels.items()
            ):
                return float(line.rpartition(" ")[2])
        return 0.0


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    demo = Demo(tmp_path, "--serve", "--port", "0")
    try:
        with Drill(demo, tmp_path) as drill:
            yield drill
    finally:
        demo.kill()


def alike(line: str) -> str:
    """Return a line of a log without what differs from run to run."""
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "ID", line)
    return re.sub(r"\d+(?:\.\d+)?", "0", line)


def test_steps_of_the_drill_look_as_its_page_says(drill: Drill) -> None:
    ends = rf"Task {RECEIPT}\[\S+\] succeeded"
    drill.wait_for(ends)  # the order that the demo places itself

    drill.press("/broker/")
    drill.order()
    drill.order()
    drill.wait_for("Wake-ups of durable messages cannot be published")
    assert drill.counted("deferred_signals_outbox_oldest_due_seconds") > 0
    drill.press("/broker/")
    drill.wait_for(ends, times=3)

    drill.order(kill="worker")
    wait_until(
        lambda: drill.counted("deferred_signals_outbox_depth", state="running") == 1,
        PATIENCE,
        "the receipt is being mailed",
    )
    drill.wait_for(ends, times=4)
    assert drill.log.count(" ready.") == 2

    drill.run("demo_site.drill", "poison")
    drill.wait_for("failed for good: attempt 3 of 3 failed")
    assert drill.counted("deferred_signals_dead_total", receiver=RECEIPT) == 1
    assert drill.counted("deferred_signals_retries_total", receiver=RECEIPT) == 2

    drill.run("demo_site.drill", "deploy-site")
    drill.wait_for("is parked for 10 s")
    drill.run("demo_site.drill", "deploy-worker")
    drill.wait_for(r"count_points\[\S+\] succeeded")

    drill.run("demo_site.drill", "cure")
    drill.press("/gateway/")
    drill.order()
    drill.wait_for("failed for good: attempt 3 of 3 failed", times=2)
    drill.press("/gateway/")
    assert drill.counted("deferred_signals_outbox_depth", state="dead") == 2
    replay = ("deferred_outbox", "replay", "--error", "SMTPServerDisconnected")
    assert drill.run("demo_site.manage", *replay) == "Replayed 1 dead letter.\n"
    assert drill.run("demo_site.manage", "deferred_outbox", "replay", "--all").startswith(
        "Replayed 1"
    )
    # Of the three steps before, one receipt each: two are replayed, one went through at once.
    drill.wait_for(ends, times=7)

    logs = f"{drill.log}\n{drill.log_of('site')}"
    happened = {alike(line.rstrip()) for line in logs.splitlines()}
    shown = [
        alike(line)
        for block in re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(shown) > 10
    missing = [line for line in shown if not any(line in other for other in happened)]
    assert missing == []


def test_drill_names_metrics_and_alerts_that_there_are() -> None:
    alerts = (ROOT / "docs" / "telemetry" / "alerts.yaml").read_text(encoding="utf-8")
    metrics = set(re.findall(r"deferred_signals_\w+", PAGE))
    named = {name.removesuffix("_count") for name in metrics}
    assert len(named) > 5
    assert {name for name in named if f"`{name}`" not in TELEMETRY} == set()
    assert all(f"alert: {name}\n" in alerts for name in re.findall(r"DeferredSignals\w+", PAGE))
