"""A program that sends messages of all kinds in transactions of all kinds, until SIGTERM.

`python soak_sender.py SEED` writes each send down in its own transaction (`Sent`), and what it knows besides
into the file `LEDGER`: what was rolled back, whose COMMIT was not answered, and what the lifecycle signals
tell. The seed decides what is sent.
"""

import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
django.setup()

from django.db import Error, connection, transaction  # noqa: E402 - the set-up comes first

from tests.app.durable_receivers import SIGNALS, in_turn  # noqa: E402
from tests.app.models import Label, Sent  # noqa: E402
from tests.app.soak_receivers import KEYS, committed, committed_chunk  # noqa: E402
from tests.integration.runs import defer  # noqa: E402
from tests.support.ledger import Ledger  # noqa: E402

#: How often each kind is sent, in comparison.
KINDS = {
    "committed": 3,
    "committed_chunk": 2,
    "plain": 3,
    "atomic": 3,
    "chunked": 2,
    "in_turn": 2,
}
OTHERS = SIGNALS | {"committed": committed, "committed_chunk": committed_chunk}

#: Seconds between two transactions of one thread, at most.
PAUSE = float(os.environ.get("PAUSE") or 0.5)

THREADS = 2


class Undone(Exception):
    """The work is rolled back."""


class Sender:
    """One thread that sends.

    Arguments:
        ledger: where it notes what the database is not told.
        seed: decides what it sends.
    """

    def __init__(self, ledger: Ledger, seed: str) -> None:
        self._ledger = ledger
        self._chance = random.Random(seed)
        self._ids: list[str] = []
        self._key = ""

    def go_on(self) -> None:
        """Commit again and again."""
        while not told:
            # Of one key in a transaction: no two of them wait for one another.
            self._ids, self._key = [], self._chance.choice(KEYS)
            try:
                self._work()
            except Undone:
                self._note("undone")
            except Error:
                self._note("unanswered")
                connection.close()
            time.sleep(self._chance.uniform(0, PAUSE))
        connection.close()

    def _work(self) -> None:
        """Send in a transaction; some are rolled back, as a whole or in part."""
        with transaction.atomic():
            self._send_some()
            if self._chance.random() < 0.2:
                kept, self._ids = self._ids, []
                with suppress(Undone), transaction.atomic():
                    self._send_some()
                    raise Undone
                self._note("undone")
                self._ids = kept
            if self._chance.random() < 0.1:
                raise Undone

    def _send_some(self) -> None:
        kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
        most = 12 if "chunk" in kind else 3
        for _ in range(self._chance.randint(1, most)):
            self._send(kind)

    def _send(self, kind: str) -> None:
        if kind == "in_turn":
            self._send_in_turn()
            return
        chance = self._chance.random()
        does = "fail" if chance < 0.15 else "work" if chance < 0.3 else ""
        times, seconds = int(bool(does)), self._chance.uniform(0, 0.3)
        id_ = defer(OTHERS[kind], does=does, times=times, seconds=seconds)
        self._write_down(id_, kind)

    def _send_in_turn(self) -> None:
        """Send while others wait who send for the same key, so that the order of commits is known."""
        Label.objects.select_for_update().get(name=self._key)
        number = Sent.objects.filter(key=self._key).count()
        fails = int(self._chance.random() < 0.15)
        id_ = defer(in_turn, key=self._key, number=number, fails=fails)
        self._write_down(id_, "in_turn", key=self._key, number=number)

    def _write_down(self, id_: str, kind: str, **kwargs: object) -> None:
        self._ids.append(id_)
        Sent.objects.create(message_id=id_, kind=kind, **kwargs)

    def _note(self, what: str) -> None:
        for id_ in self._ids:
            self._ledger.note(what, id_)


#: The signals that asked for the end. No event, whose lock the interrupted thread may hold.
told: list[int] = []

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    notes = Ledger(os.environ["LEDGER"])
    threads = [
        threading.Thread(target=Sender(notes, f"{sys.argv[1]}.{place}").go_on)
        for place in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    print("sending", flush=True)  # noqa: T201 - for the caller
    # Any thread may be the one that a signal interrupts, and its handler runs here: not within `join()`.
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
