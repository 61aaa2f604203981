"""`chunk_size`: calls of one transaction that travel together, and run, fail and are retried alone."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.exceptions import Retry as CelerysRetry
from django.db import transaction
from django.dispatch import Signal

from deferred_signals import Discard, InvalidReceiver, Retry, RetryLater, registry
from deferred_signals.running.parking import PARKED
from deferred_signals.testing import inline, manual
from deferred_signals.wire import pack, unpack
from tests.conftest import Broker, Connected, Lifecycle, deferred, running
from tests.letters import Letter, take_letters

from .conftest import MakeCurrent

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = Retry(max_attempts=3, wait_initial=5, wait_jitter=0)


@dataclass
class Receiver:
    """Does what a test wants for each number that it is called with."""

    does: dict[int, Callable[[], None]] = field(default_factory=dict)
    ran: list[int] = field(default_factory=list)

    def __call__(self, sender: object, number: int, **kwargs: Any) -> None:
        self.ran.append(number)
        self.does.get(number, lambda: None)()


def raises(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


class FailingHandler(logging.Handler):
    """Stands for a soft time limit that is exceeded while a record is written."""

    def emit(self, record: logging.LogRecord) -> None:
        raise SoftTimeLimitExceeded


@contextmanager
def failing_log() -> Iterator[None]:
    logger, handler = logging.getLogger("deferred_signals"), FailingHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


Send = Callable[..., list[Letter]]


@pytest.fixture
def receiver(signal: Signal, defer: Connected) -> Receiver:
    made = Receiver()
    defer(signal, name="tests.chunked", chunk_size=10, retry=QUICK)(made)
    return made


@pytest.fixture
def send(signal: Signal, broker: Broker) -> Send:
    """Send numbers in one transaction, and take what it published."""

    def send(count: int, **kwargs: Any) -> list[Letter]:
        with transaction.atomic():
            for number in range(count):
                signal.send(None, number=number, **kwargs)
        return take_letters()

    return send


def ids(letter: Letter) -> list[str]:
    return [unpack(wire).id for wire in letter.wires]


class TestSending:
    def test_calls_of_one_transaction_travel_together(self, send: Send, receiver: Receiver) -> None:
        assert [len(letter.wires) for letter in send(23)] == [10, 10, 3]

    def test_chunk_is_a_task_with_an_id_of_its_own(
        self, signal: Signal, broker: Broker, receiver: Receiver
    ) -> None:
        with transaction.atomic():
            sent = [deferred(signal.send(None, number=number))[0].id for number in range(2)]
        (letter,) = take_letters()
        assert ids(letter) == sent
        assert letter.headers["id"] not in sent

    def test_call_that_travels_alone_has_the_id_of_its_message(
        self, send: Send, receiver: Receiver
    ) -> None:
        (letter,) = send(1)
        assert letter.headers["id"] == ids(letter)[0]

    def test_monitors_see_how_many_calls_there_are_and_no_values(
        self, send: Send, receiver: Receiver
    ) -> None:
        (letter,) = send(3, card="swordfish")
        assert letter.headers["argsrepr"] == "(3 calls: number, card)"
        assert "swordfish" not in json.dumps(letter.headers, default=str)

    def test_other_options_make_another_chunk(
        self, signal: Signal, defer: Connected, send: Send
    ) -> None:
        defer(
            signal, chunk_size=10, priority=lambda sender, number, **kwargs: 9 if number % 2 else 1
        )(Receiver())
        assert [len(letter.wires) for letter in send(5)] == [3, 2]

    def test_chunk_is_no_larger_than_a_message_may_be(
        self, send: Send, receiver: Receiver, configure: Any
    ) -> None:
        configure(MAX_MESSAGE_BYTES=2048)
        letters = send(4, text="x" * 600)
        assert [len(letter.wires) for letter in letters] == [2, 2]

    def test_time_limits_are_for_each_call(
        self, signal: Signal, defer: Connected, send: Send
    ) -> None:
        defer(signal, chunk_size=10, time_limit=3, soft_time_limit=2)(Receiver())
        (letter,) = send(4)
        assert letter.headers["timelimit"] == [12, 8]

    def test_each_message_is_told_of_alone(
        self, send: Send, receiver: Receiver, lifecycle: Lifecycle
    ) -> None:
        (letter,) = send(3)
        published = [told["message"].id for told in lifecycle.of("message_published")]
        assert published == ids(letter)

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, "many", True, None])
    def test_size_is_a_whole_number(self, signal: Signal, defer: Connected, wrong: object) -> None:
        with pytest.raises(InvalidReceiver, match="chunk_size"):
            defer(signal, chunk_size=wrong)(Receiver())


class TestRunning:
    def test_all_calls_run_in_their_order(
        self, send: Send, receiver: Receiver, lifecycle: Lifecycle
    ) -> None:
        (letter,) = send(3)
        assert letter.deliver() == "SUCCESS"
        assert receiver.ran == [0, 1, 2]
        told = [kwargs["message"].id for kwargs in lifecycle.of("receiver_succeeded")]
        assert told == ids(letter)

    def test_each_call_has_its_own_message(
        self, signal: Signal, defer: Connected, send: Send
    ) -> None:
        seen = []

        @defer(signal, chunk_size=10)
        def receive(sender: object, **kwargs: Any) -> None:
            seen.append((running().id, running().attempt))

        (letter,) = send(3)
        letter.deliver()
        assert seen == [(message, 1) for message in ids(letter)]

    def test_call_that_fails_is_tried_again_alone_under_its_id(
        self, send: Send, receiver: Receiver, lifecycle: Lifecycle
    ) -> None:
        receiver.does[1] = raises(ConnectionError())
        (letter,) = send(3)
        assert letter.deliver() == "SUCCESS"
        assert receiver.ran == [0, 1, 2]
        (again,) = take_letters()
        assert [again.headers["id"]] == ids(again) == [ids(letter)[1]]
        assert unpack(again.wires[0]).attempt == 2
        assert again.headers["retries"] == 1
        assert again.headers["eta"]
        assert again.headers["argsrepr"] == "(number)"
        assert [told["wait"] for told in lifecycle.of("receiver_retrying")] == [5]
        assert len(lifecycle.of("receiver_succeeded")) == 2

    def test_call_is_tried_again_with_the_options_it_came_with(
        self, signal: Signal, defer: Connected, send: Send
    ) -> None:
        receiver = Receiver({0: raises(ConnectionError())})
        defer(
            signal, chunk_size=10, retry=QUICK, headers={"tenant": "blue"}, priority=3,
            time_limit=3, soft_time_limit=2,
        )(receiver)  # fmt: skip
        (letter,) = send(4)
        letter.deliver()
        (again,) = take_letters()
        assert again.headers["timelimit"] == [3, 2]
        assert again.headers["tenant"] == "blue"
        assert again.properties["priority"] == 3

    def test_call_that_is_given_up_fails_alone(
        self, signal: Signal, defer: Connected, send: Send, lifecycle: Lifecycle
    ) -> None:
        error = LookupError("no such price")
        receiver = Receiver({1: raises(error)})
        defer(signal, chunk_size=10, retry=None)(receiver)
        (letter,) = send(3)
        assert letter.deliver() == "SUCCESS"
        assert receiver.ran == [0, 1, 2]
        (told,) = lifecycle.of("receiver_failed")
        assert (told["message"].id, told["exception"]) == (ids(letter)[1], error)
        assert take_letters() == []

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (Discard("cancelled"), "receiver_discarded"),
            (Ignore(), "receiver_discarded"),
            (RetryLater(after=7), "receiver_retrying"),
            (Reject("x", requeue=True), "receiver_failed"),
            (CelerysRetry("x"), "receiver_failed"),
            (SystemExit(3), "receiver_retrying"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
    )
    def test_what_a_receiver_raises_is_its_own_calls_matter(
        self,
        send: Send,
        receiver: Receiver,
        lifecycle: Lifecycle,
        error: BaseException,
        told: str,
    ) -> None:
        receiver.does[1] = raises(error)
        (letter,) = send(3)
        assert letter.deliver() == "SUCCESS"
        assert receiver.ran == [0, 1, 2]
        assert [kwargs["message"].id for kwargs in lifecycle.of(told)] == [ids(letter)[1]]
        assert len(lifecycle.of("receiver_succeeded")) == 2

    def test_payload_that_is_no_message_fails_alone(
        self, send: Send, receiver: Receiver, lifecycle: Lifecycle
    ) -> None:
        (letter,) = send(3)
        one, _, three = letter.wires
        assert replace(letter, wires=(one, "no message", three)).deliver() == "SUCCESS"
        assert receiver.ran == [0, 2]
        (told,) = lifecycle.of("receiver_failed")
        assert (told["sender"], told["message"]) == ("tests.chunked", None)

    def test_call_of_a_newer_version_is_parked_alone(self, send: Send, receiver: Receiver) -> None:
        (letter,) = send(3)
        one, two, three = letter.wires
        newer = replace(unpack(two), version=2)
        replace(letter, wires=(one, pack(newer), three)).deliver()
        assert receiver.ran == [0, 2]
        (parked,) = take_letters()
        assert (parked.task, parked.headers["id"]) == (PARKED, newer.id)

    def test_chunk_of_which_nothing_runs_here_is_ignored(
        self, send: Send, receiver: Receiver
    ) -> None:
        (letter,) = send(3)
        registry.discard(registry.get("tests.chunked"))
        assert letter.deliver() == "IGNORED"
        assert [parked.headers["id"] for parked in take_letters()] == ids(letter)

    def test_chunk_that_is_given_out_again_is_taken_apart_and_charged_nothing(
        self, send: Send, receiver: Receiver
    ) -> None:
        (letter,) = send(3)
        assert letter.deliver(redelivered=True) == "IGNORED"
        assert receiver.ran == []
        letters = take_letters()
        again = [unpack(wire) for single in letters for wire in single.wires]
        assert [single.headers["id"] for single in letters] == ids(letter)
        assert [(message.attempt, message.redeliveries) for message in again] == [(1, 1)] * 3

    def test_what_ends_a_chunk_leaves_the_rest_to_messages_of_their_own(
        self, signal: Signal, defer: Connected, send: Send, lifecycle: Lifecycle
    ) -> None:
        """A soft time limit may hit at any moment: here, while a failure is logged."""
        receiver = Receiver({1: raises(ConnectionError())})
        defer(signal, chunk_size=10, retry=QUICK)(receiver)
        (letter,) = send(4)
        with failing_log():
            assert letter.deliver() == "FAILURE"
        assert receiver.ran == [0, 1]
        left = [unpack(wire) for single in take_letters() for wire in single.wires]
        assert {message.id for message in left} == set(ids(letter)[1:])
        attempts = {message.kwargs["number"]: message.attempt for message in left}
        assert attempts == {1: 2, 2: 1, 3: 1}


class Router:
    """A project's own, which fails at first: so what is to be published is not."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self, name: str, *args: object, **kwargs: object) -> None:
        if self.left:
            self.left -= 1
            raise OSError("the broker is away")


class TestBrokerInTrouble:
    def test_next_attempt_waits_for_the_broker(
        self, send: Send, receiver: Receiver, make_current: MakeCurrent
    ) -> None:
        receiver.does[0] = raises(ConnectionError())
        (letter,) = send(2)
        make_current(broker_url="memory://", task_routes=[Router(failures=1)])
        assert letter.deliver() == "SUCCESS"
        assert receiver.ran == [0, 1]
        (again,) = take_letters()
        assert ids(again) == ids(letter)[:1]

    def test_chunk_goes_back_when_a_next_attempt_cannot_be_published(
        self, send: Send, receiver: Receiver, make_current: MakeCurrent, lifecycle: Lifecycle
    ) -> None:
        """What is through runs again with it; what is left shall not run before."""
        receiver.does[1] = raises(ConnectionError())
        (letter,) = send(4)
        make_current(broker_url="memory://", task_routes=[Router(failures=99)])
        assert letter.deliver() == "REJECTED"
        assert receiver.ran == [0, 1]
        assert len(lifecycle.of("receiver_succeeded")) == 1
        assert take_letters() == []


def test_chunks_make_no_difference_where_nothing_travels(
    signal: Signal, receiver: Receiver, broker: Broker
) -> None:
    receiver.does[1] = raises(LookupError())
    with inline(), pytest.raises(LookupError), transaction.atomic():
        for number in range(3):
            signal.send(None, number=number)
    assert receiver.ran == [0, 1, 1, 1, 2]
    receiver.ran.clear()
    with manual() as collected:
        with transaction.atomic():
            for number in range(3):
                signal.send(None, number=number)
        assert [call.kwargs["number"] for call in collected.all_deferred()] == [0, 1, 2]
        collected.run_deferred()
    assert receiver.ran.count(1) == 3
    assert broker.take() == []
