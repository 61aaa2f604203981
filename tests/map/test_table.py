"""The map is a table: a connection a line for pipes, and blocks for a terminal that is narrower."""

import pytest

from deferred_signals import Retry
from deferred_signals.map import Callback
from deferred_signals.map.live import Live, MappedQueue
from deferred_signals.map.table import as_table, live_as_table

from .made import deferred, made, signal, sync

RETRY = Retry(max_attempts=5, on=OSError)
WHOLE = made(
    signal(
        "shop.signals.placed",
        deferred(
            "shop.pack",
            queue="slow",
            retry=RETRY,
            durable=True,
            options={
                "queue": "slow",
                "retry": RETRY,
                "durable": True,
                "atomic": True,
                "version": 2,
            },
        ),
        sync("shop.log", "shop.Order"),
        deferred("shop.mail", "shop.Order", policy="mail", queue=Callback("shop.lane"), place=None),
    ),
    signal("shop.signals.refused"),
    signal("django.signals.odd"),
    signal("django.signals.odder"),
)
LINES = """\
SIGNAL               SENDER      RECEIVER   RUNS      QUEUE         RETRY             DURABLE  WHERE                 OPTIONS
shop.signals.placed  any sender  shop.pack  deferred  slow          5 attempts        durable  /srv/shop/pack.py:21  atomic version=2
shop.signals.placed  shop.Order  shop.log   sync      -             -                 -        /srv/shop/log.py:21
shop.signals.placed  shop.Order  shop.mail  deferred  by shop.lane  mail: 3 attempts  -

Nobody hears:
  shop.signals.refused  /srv/shop/signals.py:7
  and 2 of Django's and of packages (--json lists them)

3 connections: 2 deferred (1 durable), 1 in the sender's process."""
BLOCKS = """\
shop.signals.placed
  any sender
    deferred  shop.pack
              queue slow, 5 attempts, durable,
              atomic, version=2,
              /srv/shop/pack.py:21
  shop.Order
    sync      shop.log
              /srv/shop/log.py:21
    deferred  shop.mail
              queue by shop.lane, mail: 3 attempts

Nobody hears:
"""


def test_each_connection_is_a_line_where_lines_may_be_long() -> None:
    assert as_table(WHOLE) == LINES
    assert as_table(WHOLE, 200) == LINES


def test_connections_are_blocks_in_a_terminal_that_is_narrower() -> None:
    assert as_table(WHOLE, 50).startswith(BLOCKS)


def test_headings_are_marked() -> None:
    marked = as_table(WHOLE, 50, heading="*{}*".format)
    assert [line for line in marked.splitlines() if line.startswith("*")] == [
        "*shop.signals.placed*",
        "*Nobody hears:*",
    ]


def test_name_is_not_broken_where_the_terminal_is_too_narrow_for_it() -> None:
    name = "shop.a_module_with_a_long_name.and_a_function_with_a_longer_one"
    assert f"    sync      {name}\n" in as_table(made(signal("s.s", sync(name))), 40)


@pytest.mark.parametrize("width", [None, 80])
def test_map_without_connections_says_so(width: int | None) -> None:
    told = as_table(made(), width)
    assert told == "0 connections: 0 deferred, 0 in the sender's process."


RETRIES = [
    (Retry(max_attempts=1), None, "1 attempt"),
    (Retry(max_attempts=None, timeout=3600), None, "attempts for 3600 s"),
    (None, "mial", "mial: no such policy"),
]


@pytest.mark.parametrize(("retry", "policy", "text"), RETRIES)
def test_retry_is_told_in_words(retry: Retry | None, policy: str | None, text: str) -> None:
    found = as_table(made(signal("s.s", deferred("r", retry=retry, policy=policy))))
    assert f"  {text}  " in found


def test_queue_of_a_route_that_is_a_function_is_said_to_be_its_choice() -> None:
    assert "  by Celery's routes  " in as_table(made(signal("s.s", deferred("r", queue=None))))


def test_answers_of_workers_are_a_table() -> None:
    live = Live(
        seconds=1.5,
        workers={"celery@a": ("celery", "slow"), "celery@b\x1b[31m": ("celery",)},
        queues=(
            MappedQueue(
                name="audit",
                receivers=("shop.log",),
                workers=(),
            ),
            MappedQueue(
                name="celery",
                receivers=("shop.a", "shop.b"),
                workers=("celery@a", "celery@b\x1b[31m"),
            ),
        ),
        undecided=("shop.mail",),
    )
    assert live_as_table(live) == (
        "Workers that answered within 1.5 s: celery@a, celery@b\\x1b[31m\n"
        "QUEUE   RECEIVERS  TAKEN BY\n"
        "audit   1          none of them\n"
        "celery  2          celery@a, celery@b\\x1b[31m\n"
        "Not known, since code chooses the queue: shop.mail"
    )
