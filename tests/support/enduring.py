"""Runs `hardships.py`, a program that sends in hardship."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(__file__).with_name("hardships.py")


class Outcome(NamedTuple):
    """What became of the messages.

    Attributes:
        sent: ids of the messages that were deferred.
        published: ids of those that were said to be published.
        lost: how many messages and calls were said to be lost.
        longest: seconds of the longest send.
        children: how children ended; 0 where all is well.
        errors: what was written to stderr.
    """

    sent: list[str]
    published: list[str]
    lost: int
    longest: float
    children: list[int]
    errors: str


def endure(scenario: str, url: str, queue: str = "hardships", **environ: str) -> Outcome:
    """Run a scenario on a broker, in a process of its own."""
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
