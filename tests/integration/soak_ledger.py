"""What became of each message of a soak: `fate_of` says what the table of guarantees allows."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deferred_signals.outbox.models import OutboxMessage
from tests.app.models import Run, Sent

#: What is sent with durable delivery; the rest is commit delivery's.
DURABLE = {"plain", "atomic", "chunked", "in_turn"}

#: Fates that are no loss, and the one that must not be.
RAN, DEAD, REPORTED, LOST = "ran", "dead", "reported", "lost"

#: Why a message of commit delivery may be missing without a trace: rows of the table of guarantees, and a
#: COMMIT after which Django calls no hook.
SENDER_KILLED = "its sender was SIGKILLed between COMMIT and publishing"
UNANSWERED = "its COMMIT was made, and the connection was cut before the answer"
DATA_LOST = "Redis was SIGKILLed, and with it all that it had"
IN_THE_GAP = "a worker of Redis was SIGKILLed or cut off, perhaps between taking and noting it"

SILENT = {SENDER_KILLED, UNANSWERED, DATA_LOST, IN_THE_GAP}


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a soak.

    Attributes:
        effects: of each message, those aside of runs that raised by themselves.
        ended: messages of which a run came to its end.
        dead: messages that are dead letters, or were told to have failed.
        told: what the senders noted, each with the ids of its messages.
        killed: the process ids of senders that were killed.
        done: when each harm was done, in seconds since the epoch.
        is_redis: whether the broker is Redis.
    """

    effects: Counter[str]
    ended: set[str]
    dead: set[str]
    told: Mapping[str, set[str]]
    killed: set[int]
    done: Mapping[str, list[float]]
    is_redis: bool

    def was_done_after(self, sent: Sent, *names: str) -> bool:
        """Tell whether one of some harms was done after a message was sent."""
        since = sent.at.timestamp()
        return any(at > since for name in names for at in self.done.get(name, ()))


def fate_of(sent: Sent, known: Known) -> str:
    """Return what became of a message whose transaction was committed; `LOST` if nothing explains it."""
    id_ = sent.message_id
    if id_ in known.ended:
        return RAN
    if id_ in known.dead:
        return DEAD
    if sent.kind in DURABLE:
        return LOST
    return REPORTED if id_ in known.told["failed"] else why_silent(sent, known) or LOST


def why_silent(sent: Sent, known: Known) -> str | None:
    """Return by which guarantee a message of commit delivery may be missing, though nobody told of it."""
    if sent.message_id not in known.told["published"]:
        if sent.pid in known.killed:
            return SENDER_KILLED
        return UNANSWERED if sent.message_id in known.told["unanswered"] else None
    if known.is_redis and known.was_done_after(sent, "kill_broker"):
        return DATA_LOST
    if known.is_redis and known.was_done_after(sent, "kill_worker", "cut_workers"):
        return IN_THE_GAP
    return None


def told_in(path: Path) -> dict[str, set[str]]:
    """Return what the senders noted, each with the ids of its messages."""
    found: dict[str, set[str]] = {
        what: set() for what in ("published", "failed", "undone", "unanswered")
    }
    for line in path.read_text(encoding="utf-8").splitlines():
        _pid, what, id_, *_ = json.loads(line)
        found.setdefault(what, set()).add(id_)
    return found


def effects() -> tuple[Counter[str], set[str]]:
    """Count the effects of each message; return also of which a run came to its end.

    A run leaves one row, or two: where it takes a while, and where it waits for its turn.
    """
    found: Counter[str] = Counter()
    ended: set[str] = set()
    kinds = Sent.objects.values_list("kind", flat=True).distinct()
    rows = Run.objects.filter(receiver__in=[*kinds]).values_list("message_id", "payload")
    for id_, payload in rows:
        does, what = payload.get("does"), payload.get("what")
        if does == "fail" or what == "begins":
            continue
        if what != "over":
            found[id_] += 1
        if does != "work":
            ended.add(id_)
    return found, ended


def dead() -> set[str]:
    """Return the ids of dead letters, and of messages that were told to have failed."""
    letters = {str(row.pk) for row in OutboxMessage.objects.exclude(dead_at=None)}
    return letters | set(Run.objects.filter(receiver="failed").values_list("message_id", flat=True))
