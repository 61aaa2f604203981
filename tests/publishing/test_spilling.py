"""What cannot be published is given to a store, if the broker surely does not have it."""

import gc
import logging
import os
import signal as unix
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from django.db import transaction
from django.dispatch import Signal

from deferred_signals.events import publish_failed
from deferred_signals.message import Message
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.publishing import lines, spilling
from deferred_signals.publishing.lines import close_lines, drop_kept
from deferred_signals.publishing.reports import Unpublished
from deferred_signals.publishing.spilling import report, spill, spill_last
from deferred_signals.publishing.stores import spill_to
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected, deferred
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

Configure = Callable[..., None]


class Shelf:
    """Keep what is spilled, or be full, or be slow.

    Attributes:
        kept: the messages, in order.
        batches: how many were given at a time.
        threads: which thread gave them.
        full: what is raised, if anything is.
        refuses: ids of those that are not kept.
        may_go_on: is waited for.
    """

    def __init__(self) -> None:
        self.kept: list[Outgoing] = []
        self.batches: list[int] = []
        self.threads: list[str] = []
        self.full: BaseException | None = None
        self.refuses: set[str] = set()
        self.is_asked = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def spill(self, batch: Sequence[Outgoing]) -> dict[str, Exception]:
        self.threads.append(threading.current_thread().name)
        self.is_asked.set()
        self.may_go_on.wait(20)
        if self.full is not None:
            raise self.full
        self.batches.append(len(batch))
        self.kept += [one for one in batch if one.message.id not in self.refuses]
        return {id_: ValueError("no room for it") for id_ in self.refuses}

    @property
    def numbers(self) -> list[int]:
        return [outgoing.message.kwargs["number"] for outgoing in self.kept]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    made = Shelf()
    spill_to(made)
    yield made
    made.may_go_on.set()
    drop_kept()
    spill_to(None)


class Told:
    """What `publish_failed` tells: the numbers of messages, and whether they are kept."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def of(self, *, is_kept: bool) -> list[int]:
        return [
            message.kwargs["number"]
            for failure in self._lifecycle.of("publish_failed")
            for message in failure["messages"]
            if failure["exception"].is_kept == is_kept
        ]

    @property
    def kept(self) -> list[int]:
        return self.of(is_kept=True)

    @property
    def lost(self) -> list[int]:
        return self.of(is_kept=False)

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.kept + self.lost) >= count, 20, f"{count} are told of")


@pytest.fixture
def told(lifecycle: Lifecycle) -> Told:
    return Told(lifecycle)


@pytest.mark.usefixtures("broker_away")
def test_store_is_given_what_was_not_published(
    numbers: Numbers, shelf: Shelf, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        numbers.send(1, 2)
    told.wait_for(2)
    assert (shelf.numbers, shelf.batches) == ([1, 2], [2])
    assert (told.kept, told.lost) == ([1, 2], [])
    assert caplog.text.count("is not published and is kept, to be published later") == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_store_is_given_nothing_that_was_published(
    numbers: Numbers, shelf: Shelf, lifecycle: Lifecycle
) -> None:
    numbers.send(1)
    assert lifecycle.names == ["message_published"]
    assert shelf.batches == []


@pytest.mark.usefixtures("broker_away")
def test_messages_that_a_store_does_not_keep_are_lost(
    numbers: Numbers, shelf: Shelf, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.full = OSError("no space left")
    with transaction.atomic():
        numbers.send(1, 2)
    told.wait_for(2)
    assert (told.kept, told.lost) == ([], [1, 2])
    assert (
        "could not keep 2 messages that were not published (OSError: no space left)" in caplog.text
    )
    assert caplog.text.count("is not known to be published and is lost") == 2


@pytest.mark.usefixtures("broker_away")
def test_message_that_a_store_does_not_keep_is_lost_alone(
    signal: Signal, defer: Connected, shelf: Shelf, told: Told
) -> None:
    defer(signal)(lambda sender, **kwargs: None)
    with transaction.atomic():
        sent = [deferred(signal.send(None, number=number))[0].id for number in (1, 2, 3)]
        shelf.refuses = {sent[1]}
    told.wait_for(3)
    assert (told.kept, told.lost) == ([1, 3], [2])


@pytest.mark.usefixtures("broker_away")
def test_no_commit_waits_for_a_store(numbers: Numbers, shelf: Shelf, told: Told) -> None:
    shelf.may_go_on.clear()
    for number in range(5):
        numbers.send(number)
    shelf.is_asked.wait(20)
    assert (shelf.kept, told.kept) == ([], [])
    shelf.may_go_on.set()
    told.wait_for(5)
    assert told.kept == shelf.numbers == [0, 1, 2, 3, 4]
    assert set(shelf.threads) == {"deferred_signals.line"}
    assert len(shelf.batches) <= 2  # what came while the store was busy went together


@pytest.mark.usefixtures("broker_away")
def test_what_is_spilled_is_told_in_the_context_of_its_send(
    numbers: Numbers, shelf: Shelf, told: Told
) -> None:
    request_id: ContextVar[str] = ContextVar("request_id", default="none")
    seen: list[str] = []

    def note(**kwargs: object) -> None:
        seen.append(request_id.get())

    publish_failed.connect(note)
    token = request_id.set("r7")
    numbers.send(1)
    request_id.reset(token)
    told.wait_for(1)
    publish_failed.disconnect(note)
    assert seen == ["r7"]


def test_route_that_refuses_loses_nothing(
    signal: Signal, defer: Connected, shelf: Shelf, told: Told, make_current: MakeCurrent
) -> None:
    def route(*_: object, **__: object) -> None:
        raise LookupError("no such tenant")

    make_current(broker_url="memory://", task_routes=(route,))
    defer(signal, countdown=30, priority=3)(lambda sender, **kwargs: None)
    signal.send(None, number=1)
    told.wait_for(1)
    assert told.kept == [1]
    assert shelf.kept[0].options == {"countdown": 30, "priority": 3}
    assert shelf.kept[0].message.kwargs == {"number": 1}


@pytest.mark.usefixtures("broker_away")
def test_what_is_left_of_the_options_goes_with_the_message(
    signal: Signal, defer: Connected, shelf: Shelf, told: Told, configure: Configure
) -> None:
    configure(KEEP_FOR=0.5, BREAKER_COOLDOWN=0.2)
    options = {"headers": {"tenant": "blue"}, "priority": 3, "countdown": 30, "expires": 90}
    defer(signal, chunk_size=10, time_limit=7, compression="gzip", **options)(
        lambda sender, **kwargs: None
    )
    with transaction.atomic():
        signal.send(None, number=1)
        signal.send(None, number=2)
    told.wait_for(2)
    for outgoing in shelf.kept:
        left = outgoing.options
        assert 28 < left.pop("countdown") < 29.6
        assert 88 < left.pop("expires") < 89.6
        assert left == {
            "headers": {"tenant": "blue"},
            "priority": 3,
            "time_limit": 7,  # of one call, and not of the chunk
            "compression": "gzip",
        }


@pytest.mark.usefixtures("broker_away")
def test_long_countdown_is_left_too_though_celery_was_told_of_none(
    signal: Signal, defer: Connected, shelf: Shelf, told: Told
) -> None:
    defer(signal, countdown=3600)(lambda sender, **kwargs: None)
    signal.send(None, number=1)
    told.wait_for(1)
    assert 3590 < shelf.kept[0].options["countdown"] <= 3600
    assert "headers" not in shelf.kept[0].options


@pytest.mark.usefixtures("broker_away")
def test_messages_of_protocol_1_are_spilled_with_their_times(
    signal: Signal, defer: Connected, shelf: Shelf, told: Told, make_current: MakeCurrent
) -> None:
    make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1, task_protocol=1)
    defer(signal, countdown=30, headers={"tenant": "blue"})(lambda sender, **kwargs: None)
    signal.send(None, number=1)
    told.wait_for(1)
    left = shelf.kept[0].options
    assert 28 < left.pop("countdown") <= 30
    assert left == {"headers": {"tenant": "blue"}}


# What may have arrived, and what has waited too long.


def unpublished(number: int, *, is_certain: bool = True, size: int = 1) -> Unpublished:
    message = Message(
        id=f"id-{number}",
        receiver="tests.spilled",
        signal="tests.signal",
        sender=None,
        kwargs={"number": number},
        using="default",
        sent_at=datetime.now(UTC),
    )
    return Unpublished(Outgoing(message, "x" * size, {}), TimeoutError("silence"), is_certain)


@pytest.fixture
def alone() -> Iterator[None]:
    """Let no other thread give anything to the store: those of earlier tests' lines still run."""
    with spilling._waiting.turn:  # noqa: SLF001 - nothing else holds them up
        yield


@pytest.mark.usefixtures("alone")
def test_what_may_have_arrived_is_given_to_no_store(shelf: Shelf, told: Told) -> None:
    report([unpublished(1), unpublished(2, is_certain=False)])
    assert told.lost == [2]
    assert spill()
    assert (shelf.numbers, told.kept) == ([1], [1])
    assert not spill()


@pytest.mark.usefixtures("alone")
def test_no_more_waits_for_a_store_than_memory_bears(
    shelf: Shelf, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilling, "MOST", 2)
    monkeypatch.setattr(spilling, "MOST_CHARACTERS", 10)
    report([unpublished(1, size=20)])  # one always has room
    report([unpublished(2)])
    assert told.lost == [2]
    spill()
    for number in (3, 4, 5):
        report([unpublished(number)])
    assert told.lost == [2, 5]
    spill()
    assert told.kept == [1, 3, 4]


@pytest.mark.usefixtures("alone")
def test_interruption_by_a_time_limit_is_passed_on_and_told(shelf: Shelf, told: Told) -> None:
    shelf.full = SoftTimeLimitExceeded()
    report([unpublished(1)])
    with pytest.raises(SoftTimeLimitExceeded):
        spill()
    assert told.lost == [1]


@pytest.mark.usefixtures("alone")
def test_handler_that_sends_while_it_is_told_neither_hangs_nor_recurs(
    shelf: Shelf, told: Told
) -> None:
    def send_again(**kwargs: object) -> None:
        if len(told.kept) < 3:
            report([unpublished(9)])
            spill()

    publish_failed.connect(send_again)
    report([unpublished(1)])
    spill()
    publish_failed.disconnect(send_again)
    assert shelf.numbers == [1, 9, 9]


@pytest.mark.usefixtures("alone")
def test_child_of_a_fork_gives_nothing_of_its_parents(shelf: Shelf) -> None:
    report([unpublished(1)])
    child = os.fork()
    if not child:
        os._exit(1 if spill() else 0)
    assert os.waitpid(child, 0)[1] == 0
    spill()
    assert shelf.numbers == [1]


# Ends of processes and of tests.


@pytest.fixture
def app(make_current: MakeCurrent, monkeypatch: pytest.MonkeyPatch) -> Celery:
    """Have lines of the test's own: those of other tests must not be closed with them."""
    monkeypatch.setattr(lines, "_lines", {})
    return make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)


def test_end_of_the_process_spills_what_is_kept_in_memory(
    app: Celery, numbers: Numbers, shelf: Shelf, told: Told, configure: Configure
) -> None:
    configure(KEEP_FOR=60, CONNECT_TIMEOUT=0.3)
    numbers.send(1, 2)
    assert told.kept + told.lost == []
    close_lines()
    assert told.kept == shelf.numbers == [1, 2]
    assert told.lost == []
    numbers.send(3)  # what is sent after that has no thread
    told.wait_for(3)
    assert told.kept == [1, 2, 3]


def test_store_that_does_not_come_back_lets_the_process_end_and_loses_nothing_unseen(
    shelf: Shelf, told: Told
) -> None:
    shelf.may_go_on.clear()
    report([unpublished(1)])
    stuck = threading.Thread(target=spill)
    stuck.start()
    shelf.is_asked.wait(20)
    report([unpublished(2)])
    began = time.monotonic()
    spill_last(0.2)
    assert time.monotonic() - began < 5
    assert told.lost == [1, 2]
    shelf.may_go_on.set()
    stuck.join()
    assert told.kept == []  # each is told of once


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("tell", [True, False])
def test_end_of_a_test_spills_nothing(
    app: Celery, numbers: Numbers, shelf: Shelf, told: Told, tell: bool
) -> None:
    numbers.send(1)
    report([unpublished(2)])
    drop_kept(tell=tell)
    assert sorted(told.lost) == ([1, 2] if tell else [])
    assert not spill()
    assert shelf.batches == []


@pytest.fixture
def silent(make_current: MakeCurrent) -> Iterator[Celery]:
    """Make an app current whose broker accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield make_current(broker_url=f"amqp://127.0.0.1:{server.getsockname()[1]}//")


@pytest.mark.usefixtures("silent")
def test_wait_that_is_interrupted_spills_what_had_not_begun(
    numbers: Numbers, shelf: Shelf, told: Told, configure: Configure
) -> None:
    """A soft time limit ends the wait of a task that commits."""
    configure(PUBLISH_TIMEOUT=20, CONNECT_TIMEOUT=0.8)

    def interrupt(*_: object) -> None:
        raise SoftTimeLimitExceeded

    before = unix.signal(unix.SIGALRM, interrupt)
    gc.disable()  # what a signal raises in a callback of its is swallowed
    unix.setitimer(unix.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(SoftTimeLimitExceeded):
            numbers.send(1)
    finally:
        unix.setitimer(unix.ITIMER_REAL, 0)
        gc.enable()
        unix.signal(unix.SIGALRM, before)
    told.wait_for(1)
    assert told.kept == [1]
