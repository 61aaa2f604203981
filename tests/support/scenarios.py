"""Runs `scenario_program.py`, which sends where a process lacks something, forks or ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(__file__).with_name("scenario_program.py")


class Outcome(NamedTuple):
    """What became of the messages.

    Attributes:
        sent: the ids of the messages that were deferred.
        published: the ids that `message_published` named.
        lost: how many messages and calls `publish_failed` counted.
        failed: the ids that `publish_failed` named.
        longest: the seconds of the longest send.
        children: how each child ended; 0 if it succeeded.
        errors: what the program wrote to stderr.
    """

    sent: list[str]
    published: list[str]
    lost: int
    failed: list[str]
    longest: float
    children: list[int]
    errors: str


def run_scenario(scenario: str, url: str, queue: str = "scenarios", **environ: str) -> Outcome:
    """Run a scenario on a broker, in a process of its own, and return what became of the messages."""
    done = subprocess.run(
        [sys.executable, "-P", str(PROGRAM), scenario],
        env={**os.environ, "BROKER_URL": url, "QUEUE": queue, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return Outcome(**json.loads(done.stdout), errors=done.stderr)
