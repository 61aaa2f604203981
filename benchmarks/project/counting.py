"""The work of receivers and tasks: only a count, to show how fast a worker runs them.

``BENCHMARKS_CALLS`` is the number of calls that count, ``BENCHMARKS_REPORT`` the file for the result.
The first calls do not count, as the worker has just started.
"""

import os
import time
from pathlib import Path

WARM_UP = 100
_calls = 0
_begin = 0.0
_last = WARM_UP + int(os.environ.get("BENCHMARKS_CALLS", "0"))


def count() -> None:
    """Count a call; after the last one, write how many seconds those that count took."""
    global _calls, _begin  # noqa: PLW0603 - nothing costs less
    _calls += 1
    if _calls == WARM_UP:
        _begin = time.perf_counter()
    elif _calls == _last:
        seconds = time.perf_counter() - _begin
        report = Path(os.environ["BENCHMARKS_REPORT"])
        draft = report.with_suffix(".draft")
        draft.write_text(str(seconds))
        draft.replace(report)  # so that a reader never sees half of the file
