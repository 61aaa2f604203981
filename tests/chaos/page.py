"""Writes what was counted of faults as a page."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

__all__ = ["Ending", "page"]

Line = dict[str, Any]

#: The names of services, in the order of the page.
DATABASES = ("PostgreSQL", "MariaDB", "SQLite")
BROKERS = ("Redis", "RabbitMQ")

INTRODUCTION = """\
# Faults, counted

What tests do to real processes, and what becomes of the messages. `make chaos` makes this page: it runs each
scenario on all databases and brokers, and then soaks. {counts}

{machine}
"""

FULL = "These are the full counts."
SHORT = "These are the short counts, which only show that everything runs."

COUNTS = """\
## Scenarios

Durable messages, and these counts of each receiver:

* **lost**: ran to no end, are no dead letters, and were not discarded. A test fails if it is not 0.
* **repeated**: effects that are there more than once. A run that raises by itself repeats nothing.
* **dead**: dead letters. A message is to end so if its receiver kills its process at each run, or if its
  COMMIT fails each time.

`atomic` is a receiver with `atomic=True`, `in_turn` one with `ordered_by`, `chunked` one with `chunk_size`. The
others are plain, with times, limits, a priority or a queue of their own. The seconds are those of a whole
scenario, in which processes start, too.
"""

HEAD = (
    *("fault", "receiver", "database", "broker", "pool"),
    *("sent", "lost", "repeated", "dead", "seconds"),
)

SOAKS = """\
## Soaks

Two senders send messages of all kinds in transactions of all kinds, some of which are rolled back. Two workers,
of a prefork and a threads pool, and one more relay run them. Meanwhile processes are killed and stopped, and
connections to the broker and to the database are cut, as a seed draws it. `SEED=` before the command repeats
what was drawn.

Each send writes a row in its own transaction. So what was committed is known, and has to be accounted for. With
durable delivery each message ran or is a dead letter, atomic effects are there once, and messages of one key
ran in their order. With commit delivery others may be *reported* (`publish_failed`), or missing without a trace
where the [guarantees](guarantees.md) say so. What was rolled back never ran.
"""

SOAK_HEAD = (
    "kind",
    "sent",
    "ran",
    "repeated",
    "dead",
    "reported",
    "missing, as guaranteed",
    "lost",
)

#: Fates that have columns of their own; all others explain why a message is missing.
TOLD = ("ran", "dead", "reported", "lost")


class Ending(NamedTuple):
    """A test that failed or was skipped.

    Attributes:
        test: its name.
        database: where.
        why: the first line of what was told.
    """

    test: str
    database: str
    why: str


def page(
    lines: Sequence[Line],
    machine: str,
    failures: Sequence[Ending] = (),
    skips: Sequence[Ending] = (),
    *,
    is_full: bool = True,
) -> str:
    """Write the page.

    Arguments:
        lines: what the tests have counted.
        machine: where, when and with what.
        failures: tests that failed; the page begins with them.
        skips: tests that were skipped, which the page ends with.
        is_full: whether the counts are the full ones.
    """
    counts = FULL if is_full else SHORT
    parts = [INTRODUCTION.format(counts=counts, machine=machine)]
    if failures:
        parts += ["## What failed\n", *map(_told, failures), ""]
    scenarios = [line for line in lines if "fault" in line]
    parts += [COUNTS, _table(HEAD, _rows(scenarios)), ""]
    if soaks := [line for line in lines if "soak" in line]:
        parts += [SOAKS, *(_soak(line) for line in soaks)]
    if skips:
        parts += ["## What was not done\n", *sorted({_told(skip) for skip in skips}), ""]
    return "\n".join(parts)


def _told(ending: Ending) -> str:
    return f"* {_words(ending.test)}, on {ending.database}: {ending.why}"


def _words(test: str) -> str:
    """Write the name of a test as the sentence that it is."""
    name, _, place = test.removeprefix("test_").partition("[")
    return f"{name.replace('_', ' ')} ({place.rstrip(']')})" if place else name.replace("_", " ")


def _rows(lines: Iterable[Line]) -> Iterator[tuple[object, ...]]:
    """Make the rows of the table: what is equal on several services, or for several receivers, is one."""
    places: dict[tuple[Any, ...], list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line["place"]):
        counts = tuple(line[name] for name in ("sent", "lost", "repeated", "dead"))
        places[line["fault"], line["pool"], line["receiver"], counts].append(line)
    receivers: dict[tuple[Any, ...], list[list[Line]]] = defaultdict(list)
    for (fault, pool, _, counts), found in places.items():
        where = frozenset((line["database"], line["broker"]) for line in found)
        receivers[fault, pool, counts, where].append(found)
    for (fault, pool, counts, _), groups in receivers.items():
        found = [line for group in groups for line in group]
        names = ", ".join(group[0]["receiver"] for group in groups)
        for databases, brokers in _services(found):
            here = [line for line in found if line["database"] in databases]
            yield (
                fault,
                names,
                ", ".join(databases),
                ", ".join(brokers),
                pool,
                *counts,
                _span(here),
            )


def _services(lines: Iterable[Line]) -> Iterator[tuple[list[str], list[str]]]:
    """Give databases with the brokers that they were tried with, those together that have the same."""
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    where = {(line["database"], line["broker"]) for line in lines}
    for database in DATABASES:
        brokers = tuple(broker for broker in BROKERS if (database, broker) in where)
        if brokers:
            found[brokers].append(database)
    for brokers, databases in found.items():
        yield databases, list(brokers)


def _span(lines: Iterable[Line]) -> str:
    seconds = [line["seconds"] for line in lines]
    least, most = f"{min(seconds):.0f}", f"{max(seconds):.0f}"
    return least if least == most else f"{least} to {most}"


def _soak(line: Line) -> str:
    harms = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in line["done"].items())
    missing: Counter[str] = Counter()
    rows = []
    for kind, fates in sorted(line["fates"].items()):
        unseen = {name: n for name, n in fates.items() if name not in (*TOLD, "repeated")}
        missing.update(unseen)
        told = [fates.get(name, 0) for name in TOLD]
        sent = sum(told) + sum(unseen.values())
        rows.append(
            (
                kind,
                sent,
                told[0],
                fates["repeated"],
                told[1],
                told[2],
                sum(unseen.values()),
                told[3],
            )
        )
    head = f"{line['seconds']:.0f} s, seed {line['seed']}. Done: {harms}."
    parts = [
        f"### {line['broker']}, {line['database']}: {TITLES[line['soak']]}\n",
        f"{head} Sends that were rolled back: {line['undone']}.\n",
        _table(SOAK_HEAD, rows),
        "",
        *(f"* {count} missing: {why}" for why, count in sorted(missing.items())),
    ]
    return "\n".join([*parts, ""] if missing else parts)


#: The titles of soaks.
TITLES = {
    "all": "everything",
    "told": "nothing after which commit delivery loses a message without a trace",
}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
