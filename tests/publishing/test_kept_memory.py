"""What waits for a broker that is away takes a bounded part of the process's memory, and gives it back.

The page of settings says beside ``KEEP_BYTES`` what a message takes: `PER_BYTE` and `PER_MESSAGE`, with room for
Python's allocator.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tests.support

PROGRAM = Path(tests.support.__file__).with_name("kept_program.py")

#: Bytes of memory for each byte of a payload, and for each message beside that.
PER_BYTE, PER_MESSAGE = 2.2, 4096

MiB = 1024 * 1024


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells")
@pytest.mark.parametrize(
    ("characters", "limits"),
    [
        (10, {"KEEP_MESSAGES": 3000}),
        (1024, {"KEEP_MESSAGES": 100_000, "KEEP_BYTES": 3 * MiB}),
        (65_536, {"KEEP_BYTES": 16 * MiB}),
    ],
    ids=["many", "usual", "large"],
)
def test_memory_of_what_is_kept_is_bounded_and_used_again(
    characters: int, limits: dict[str, int]
) -> None:
    (kept, size, grown), (again, _, grown_again) = filled(characters, limits)
    if "KEEP_BYTES" in limits:  # the payload has some bytes beside the text
        assert 0.6 * limits["KEEP_BYTES"] < size <= limits["KEEP_BYTES"]
    else:
        assert kept == limits["KEEP_MESSAGES"]
    assert size < grown < PER_BYTE * size + PER_MESSAGE * kept
    assert again == kept
    assert grown_again < 1.15 * grown


def filled(characters: int, limits: dict[str, int]) -> Any:
    """Let a process fill its memory twice; return for each time what it kept, and how it has grown."""
    done = subprocess.run(
        [sys.executable, "-P", str(PROGRAM), str(characters)],
        env={**os.environ, "SETTINGS": json.dumps(limits)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout)
