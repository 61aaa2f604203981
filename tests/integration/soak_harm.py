"""What a soak does to its processes: a seed draws one harm after another, and each is mended."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.support.processes import Process, wait_until

from .cuts import cut, others
from .nodes import Broker
from .proxy import Proxy
from .workers import services, worker_command

PROGRAM = str(Path(__file__).with_name("soak_sender.py"))

#: The options of each worker.
WORKERS = {
    "prefork": ("-P", "prefork", "-c", "2"),
    "threads": ("-P", "threads", "-c", "3"),
}

#: Seconds between two harms, and those for which something is stopped; a lease has two.
PAUSE, STOPPED = (0.3, 1.5), (1.0, 4.0)

#: Seconds in which a busy machine starts a process, or ends one.
PATIENCE = 120.0


class Harm:
    """The processes of a soak, and what is done to them. Each of them is harmed when it is well, only.

    Arguments:
        node: the broker.
        folder: where the logs are.
        seed: decides what is done, and when.
        environment: of the processes.

    Attributes:
        done: when each harm was done, in seconds since the epoch.
        killed: the process ids of senders that were killed.
    """

    def __init__(self, node: Broker, folder: Path, seed: int, environment: dict[str, str]) -> None:
        self.done: dict[str, list[float]] = {}
        self.killed: set[int] = set()
        self._node, self._folder, self._seed = node, folder, seed
        self._chance = random.Random(seed)
        self._stack = ExitStack()
        self._before_senders = self._stack.enter_context(Proxy(node.host_url))
        self._before_workers = self._stack.enter_context(Proxy(node.host_url))
        self._of_senders = services(self._before_senders) | environment
        of_workers = services(self._before_workers) | environment
        self._workers = {
            name: self._process(name, worker_command(name, *options), of_workers, " ready.")
            for name, options in WORKERS.items()
        }
        relay = [sys.executable, "-m", "django", "deferred_outbox", "relay"]
        self._relay = self._process("relay", relay, of_workers)
        self._senders: list[Process] = []
        self._count = 0
        #: What is harmed at the moment; what mends it later; and what is being done about it.
        self._unwell: set[Process] = set()
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._threads = ThreadPoolExecutor(8)
        self._begun: list[Future[object]] = []

    def start(self, senders: int) -> None:
        """Start all processes at once; return when they are ready."""
        for process in (*self._workers.values(), self._relay):
            self._start(process)
        for _ in range(senders):
            self._start_sender()
        self._wait()

    def go_on(self, names: Sequence[str], seconds: float) -> None:
        """Do harm for so many seconds, each kind once before any comes again; then mend all."""
        end, next_at = time.monotonic() + seconds, 0.0
        drawn: list[str] = []
        while (now := time.monotonic()) < end:
            self._mend(now)
            if now >= next_at:
                next_at = now + self._chance.uniform(*PAUSE)
                drawn = drawn or self._chance.sample(names, len(names))
                name = drawn.pop(0)
                if not self._do(name):
                    drawn.append(name)  # later
            time.sleep(0.05)
        self._mend(float("inf"))
        self._wait()

    def end_senders(self) -> None:
        """Ask the senders to end, and wait until they have."""
        for process in self._senders:
            os.kill(process.pid, signal.SIGTERM)
        for process in self._senders:
            self._wait_for_end(process)

    def end(self) -> None:
        """End everything, whatever its state."""
        self._threads.shutdown(cancel_futures=True)
        for process in (*self._senders, *self._workers.values(), self._relay):
            process.kill()
        self._stack.close()

    def logs(self) -> str:
        """Return the ends of what the processes have written."""
        texts = (
            (file.name, file.read_text("utf-8", "replace")) for file in self._folder.glob("*.log")
        )
        return "".join(f"\n===== {name}\n{text[-20_000:]}" for name, text in texts)

    # The harms. Each returns whether there was something to be harmed.

    def kill_child(self) -> bool:
        """Kill a child of the prefork pool, as the kernel does when memory runs out."""
        pid = self._workers["prefork"].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        if self._workers["prefork"] in self._unwell or not children:
            return False
        os.kill(int(self._chance.choice(children)), signal.SIGKILL)
        return True

    def kill_worker(self) -> bool:
        """Kill a whole worker, and start it again."""
        return self._kill(self._well(self._workers.values()))

    def end_worker(self) -> bool:
        """End a worker as a deployment does, and start it again."""
        process = self._well(self._workers.values())
        if process is not None:
            self._unwell.add(process)
            os.kill(process.pid, signal.SIGTERM)
            self._begin(lambda: self._start_after(process))
        return process is not None

    def stop_worker(self) -> bool:
        """Let a worker stand still, perhaps for longer than its leases."""
        return self._stop(self._well(self._workers.values()))

    def kill_relay(self) -> bool:
        """Kill the relay that is no worker's, and start it again."""
        return self._kill(self._well([self._relay]))

    def kill_sender(self) -> bool:
        """Kill a sender, and start another one."""
        process = self._well(self._senders)
        if process is not None:
            self.killed.add(process.pid)
            process.kill()
            self._senders.remove(process)
            self._start_sender()
        return process is not None

    def stop_sender(self) -> bool:
        """Let a sender stand still, perhaps in the midst of a transaction."""
        return self._stop(self._well(self._senders))

    def kill_broker(self) -> bool:
        """Kill the broker, and start it again. Redis has lost everything then, and RabbitMQ nothing."""
        return self._kill(self._well([self._node.process]))

    def stop_broker(self) -> bool:
        """Let the broker stand still."""
        return self._stop(self._well([self._node.process]))

    def cut_senders(self) -> bool:
        """Reset the senders' connections to the broker."""
        self._before_senders.reset()
        return True

    def cut_workers(self) -> bool:
        """Reset the workers' connections to the broker."""
        self._before_workers.reset()
        return True

    def cut_database(self) -> bool:
        """Cut half of the connections to the database."""
        found = others()
        cut(self._chance.sample(found, (len(found) + 1) // 2))
        return True

    def _do(self, name: str) -> bool:
        moment = time.time()
        is_done: bool = getattr(self, name)()
        if is_done:
            self.done.setdefault(name, []).append(moment)
        return is_done

    def _well(self, processes: Iterable[Process]) -> Process | None:
        found = [process for process in processes if process not in self._unwell]
        return self._chance.choice(found) if found else None

    def _kill(self, process: Process | None) -> bool:
        if process is not None:
            process.kill()
            self._start(process)
        return process is not None

    def _stop(self, process: Process | None) -> bool:
        if process is not None:
            self._unwell.add(process)
            process.signal(signal.SIGSTOP)
            at = time.monotonic() + self._chance.uniform(*STOPPED)
            self._later.append((at, lambda: self._let_go_on(process)))
        return process is not None

    def _let_go_on(self, process: Process) -> None:
        process.signal(signal.SIGCONT)
        self._unwell.discard(process)

    def _mend(self, until: float) -> None:
        """Mend what has been harmed for long enough."""
        due = [act for at, act in self._later if at <= until]
        self._later = [(at, act) for at, act in self._later if at > until]
        for act in due:
            act()
        for future in [future for future in self._begun if future.done()]:
            self._begun.remove(future)
            future.result()  # raises what failed

    def _process(
        self, name: str, command: Sequence[str], environment: dict[str, str], ready: str = ""
    ) -> Process:
        log = self._folder / f"{name}.log"
        return Process(name, command, env=environment, log=log, ready=ready)

    def _start_sender(self) -> None:
        self._count += 1
        name = f"sender{self._count}"
        command = [sys.executable, PROGRAM, f"{self._seed}.{self._count}"]
        process = self._process(name, command, self._of_senders, "sending")
        self._senders.append(process)
        self._start(process)

    def _start(self, process: Process) -> None:
        self._unwell.add(process)
        self._begin(lambda: self._start_now(process))

    def _start_now(self, process: Process) -> None:
        process.start(PATIENCE)
        self._unwell.discard(process)

    def _start_after(self, process: Process) -> None:
        self._wait_for_end(process)
        process.kill()  # what it left
        self._start_now(process)

    def _wait_for_end(self, process: Process) -> None:
        wait_until(lambda: not process.alive, PATIENCE, f"{process.name} ends")

    def _begin(self, act: Callable[[], object]) -> None:
        self._begun.append(self._threads.submit(act))

    def _wait(self) -> None:
        """Wait until all processes are well."""
        while self._begun:
            self._begun.pop().result()
