"""Waits until the other threads of this process have nothing to do."""

import threading
import time
from pathlib import Path


def until_other_threads_rest(timeout: float = 10.0) -> None:
    """Wait until no other thread runs, or wants to.

    A fork in C calls none of Python's hooks. If another thread wants the interpreter's lock at that moment,
    the child waits for a thread that it does not have, before it runs a line.

    Arguments:
        timeout: seconds after which this raises TimeoutError.
    """
    deadline = time.monotonic() + timeout
    for thread in threading.enumerate():
        if thread.name == "deferred_signals.wake":
            thread.join(timeout)
    before, now = None, _times()
    while before != now:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout} s in vain for other threads to rest.")
        time.sleep(0.1)
        before, now = now, _times()


def _times() -> dict[str, str]:
    """Give the time that each other thread has used, and has waited for a processor, in nanoseconds."""
    own = str(threading.get_native_id())
    return {
        task.name: (task / "schedstat").read_text(encoding="ascii")
        for task in Path("/proc/self/task").iterdir()
        if task.name != own
    }
