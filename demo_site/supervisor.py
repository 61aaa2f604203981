"""What keeps the served shop alive: processes that are killed are started again, as on a server."""

import signal
import time
from collections import defaultdict
from collections.abc import Callable

from demo_site.live.requests import Inbox, Request, Shown, State, tell
from demo_site.processes import Failed, Processes
from demo_site.shop.timeline import Moment, moments, note

#: Seconds after which a broker that is paused goes on by itself, before clients give it up.
LONGEST_PAUSE = 20.0
#: Seconds that a run has to begin in which the worker is to be killed.
PATIENCE = 10.0
#: A process that ends so often within so many seconds is not started again.
OFTEN, WITHIN = 5, 30.0
#: The receiver in whose run the worker is killed: it takes the longest.
VICTIM = "send_receipt"


class Supervisor:
    """Restart the site and the worker, and do what the page asks for.

    Arguments:
        processes: the site and the worker.
        others: the broker, if the demo has started one.
        is_ready: says whether a process, which was started again, does its work by now.
    """

    def __init__(
        self, processes: Processes, others: Processes, is_ready: Callable[[str], bool]
    ) -> None:
        self._processes = processes
        self._others = others
        self._is_ready = is_ready
        self._inbox = Inbox()
        self._starting: set[str] = set()
        self._ends: defaultdict[str, list[float]] = defaultdict(list)
        #: The order in whose run the worker is to be killed, and until when that may begin.
        self._to_kill: tuple[str | None, float] | None = None
        #: When the broker goes on, if it is paused.
        self._paused_until: float | None = None
        self._told: list[Shown] = []

    def work(self) -> None:
        """Look once; call this again and again.

        Raises:
            Failed: a process ends again and again, or the broker has ended.
        """
        if self._others.has("broker") and self._others.has_ended("broker"):
            raise Failed("The broker ended by itself.")
        for request in self._inbox.new():
            self._serve(request)
        if self._to_kill is not None:
            self._kill_in_time(*self._to_kill)
        if self._paused_until is not None and time.monotonic() > self._paused_until:
            self.resume()
        for name in ("site", "worker"):
            self._keep_alive(name)
        self._tell()

    def resume(self) -> None:
        """Let the broker go on, if it is paused."""
        if self._paused_until is not None:
            self._paused_until = None
            self._others.signal("broker", signal.SIGCONT)
            note("broker", "resume")

    def _serve(self, request: Request) -> None:
        if request.what == "kill-worker":
            self._to_kill = (request.order, time.monotonic() + PATIENCE)
        elif request.what == "resume-broker":
            self.resume()
        elif request.what == "restart-worker":
            note(f"worker {self._processes.pid('worker')}, warmly", "stop")
            self._processes.stop_warmly("worker")
        elif self._others.has("broker"):
            self._paused_until = time.monotonic() + LONGEST_PAUSE
            self._others.signal("broker", signal.SIGSTOP)
            note("broker", "pause")

    def _kill_in_time(self, order: str | None, until: float) -> None:
        """Kill the worker while it runs the order's receipt, or when that takes too long to begin."""
        if time.monotonic() < until and not _is_running(order, moments(last=16 * 1024)):
            return
        self._to_kill = None
        pid = self._processes.pid("worker")
        self._processes.signal("worker", signal.SIGKILL)
        note(f"worker {pid}, in the middle of a run", "kill", order=order)

    def _keep_alive(self, name: str) -> None:
        if self._processes.has_ended(name):
            now = time.monotonic()
            self._ends[name] = [end for end in self._ends[name] if end > now - WITHIN] + [now]
            if len(self._ends[name]) >= OFTEN:
                raise Failed(f"The {name} ended {OFTEN} times within {WITHIN:.0f} seconds.")
            self._processes.signal(name, signal.SIGKILL)  # its children, if it has left some
            self._processes.restart(name)
            self._starting.add(name)
        elif name in self._starting and self._is_ready(name):
            self._starting.remove(name)
            ends = [one for one in moments(last=16 * 1024) if one.kind in {"kill", "stop"}]
            order = ends[-1].order if ends else None
            what = "web process" if name == "site" else name
            note(f"{what} {self._processes.pid(name)}", "back", order=order)

    def _tell(self) -> None:
        shown = [self._shown(name) for name in ("site", "worker")]
        if self._others.has("broker"):
            state: State = "running" if self._paused_until is None else "paused"
            shown.append(Shown("broker", self._others.pid("broker"), state))
        if shown != self._told:
            tell(shown)
            self._told = shown

    def _shown(self, name: str) -> Shown:
        state: State = "starting" if name in self._starting else "running"
        return Shown(name, self._processes.pid(name), state)


def _is_running(order: str | None, timeline: list[Moment]) -> bool:
    """Return whether the receipt of an order is being mailed."""
    kinds = [
        moment.kind
        for moment in timeline
        if moment.order == order and moment.receiver == VICTIM and moment.attempt
    ]
    return kinds[-1:] == ["start"]
