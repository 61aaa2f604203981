"""Running what was collected, by a simulated clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import Discard, Retry, RetryLater
from deferred_signals.testing import manual, run_deferred
from tests.app.models import Order
from tests.support.connected import Connected, running
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder

pytestmark = pytest.mark.django_db


def test_collected_messages_run_through_all_retries_by_a_clock_of_their_own(
    signal: Signal, defer: Connected
) -> None:
    recorder = Recorder(failures=2)
    policy = Retry(max_attempts=5, wait_initial=60, wait_jitter=0, timeout=3600)
    defer(signal, retry=policy)(recorder)
    with manual() as deferred:
        signal.send(None, number=1)
        (ran,) = deferred.run_deferred(waits=[60, 120])
    assert (ran.attempts, ran.outcome, recorder.attempts) == (3, "succeeded", [1, 2, 3])


def test_retries_end_with_the_timeout_of_the_policy(signal: Signal, defer: Connected) -> None:
    recorder = Recorder(failures=99)
    policy = Retry(max_attempts=None, wait_initial=60, wait_jitter=0, timeout=500)
    defer(signal, retry=policy)(recorder)
    with manual() as deferred:
        signal.send(None)
        (ran,) = deferred.run_deferred(raises=False)
    assert (ran.waits, ran.outcome) == ([60, 120, 240], "failed")
    assert isinstance(ran.exception, ConnectionError)


def test_wrong_waits_are_told(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None)
        with pytest.raises(AssertionError, match=r"The waits were \[\], not \[5\]"):
            deferred.run_deferred(waits=[5])


def test_what_a_receiver_defers_is_run_as_well(signal: Signal, defer: Connected) -> None:
    second, ran = Signal(), []

    def first_step(sender: object, **kwargs: Any) -> None:
        second.send(None)

    def second_step(sender: object, **kwargs: Any) -> None:
        ran.append(running().depth)
        raise Discard("it is enough")

    defer(signal)(first_step)
    defer(second)(second_step)
    with manual() as deferred:
        signal.send(None)
        outcomes = [item.outcome for item in deferred.run_deferred()]
    assert (ran, outcomes) == ([1], ["succeeded", "discarded"])


def test_waits_may_be_longer_by_the_jitter_of_the_policy(signal: Signal, defer: Connected) -> None:
    recorder = Recorder(failures=2)
    defer(signal, retry=Retry(max_attempts=5, wait_initial=60, wait_jitter=5))(recorder)
    with manual() as deferred:
        signal.send(None)
        deferred.run_deferred(waits=[60, timedelta(seconds=120)])


def test_one_receiver_can_be_run_alone(
    signal: Signal, recorder: Recorder, defer: Connected
) -> None:
    other = Recorder()
    defer(signal)(other)
    with manual() as deferred:
        signal.send(None, number=1)
        (ran,) = deferred.run_deferred(other)
        assert (ran.kwargs, recorder.calls, other.kwargs) == ({"number": 1}, [], [{"number": 1}])
        deferred.assert_deferred(recorder)


def test_countdowns_decide_the_order(signal: Signal, defer: Connected) -> None:
    ran = []

    def note(sender: object, number: int, **kwargs: Any) -> None:
        ran.append(number)

    defer(signal, countdown=lambda sender, number, **kwargs: 10 - number)(note)
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        deferred.run_deferred()
    assert ran == [2, 1]


def test_reason_of_a_discarded_message_is_told(signal: Signal, defer: Connected) -> None:
    def refuse(sender: object, **kwargs: Any) -> None:
        raise Discard("it is enough")

    defer(signal)(refuse)
    with manual() as deferred:
        signal.send(None)
        (ran,) = deferred.run_deferred()
    assert (ran.outcome, ran.reason) == ("discarded", "it is enough")


def test_wait_that_a_receiver_asks_for_is_waited(signal: Signal, defer: Connected) -> None:
    def ask(sender: object, **kwargs: Any) -> None:
        if running().attempt == 1:
            raise RetryLater(after=timedelta(hours=1))

    defer(signal)(ask)
    with manual() as deferred:
        signal.send(None)
        deferred.run_deferred(waits=[timedelta(hours=1)])


def test_lost_message_never_runs(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        assert [call.kwargs for call in deferred.lose(recorder, number=1)] == [{"number": 1}]
        deferred.run_deferred()
    assert recorder.kwargs == [{"number": 2}]


def test_doubled_message_runs_twice_under_one_id(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None)
        deferred.double()
        first, second = deferred.run_deferred()
    assert (first.id, first.attempts, second.attempts) == (second.id, 1, 1)
    assert len(recorder.calls) == 2


def test_postponed_message_runs_after_later_ones(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        deferred.postpone(3600, number=1)
        deferred.run_deferred()
    assert recorder.kwargs == [{"number": 2}, {"number": 1}]


def test_time_that_a_message_is_late_counts_for_the_timeout(
    signal: Signal, defer: Connected
) -> None:
    recorder = Recorder(failures=1)
    defer(signal, retry=Retry(timeout=60))(recorder)
    with manual() as deferred:
        signal.send(None)
        deferred.postpone(3600)
        (ran,) = deferred.run_deferred(raises=False)
    assert (ran.attempts, ran.outcome) == (1, "failed")


@pytest.mark.parametrize("expires", [60, datetime.now(UTC) + timedelta(minutes=10)])
def test_message_that_comes_after_its_time_does_not_run(
    expires: Any, signal: Signal, defer: Connected
) -> None:
    recorder = Recorder()
    defer(signal, expires=expires)(recorder)
    with manual() as deferred:
        signal.send(None)
        deferred.postpone(3600)
        (ran,) = deferred.run_deferred()
    assert (ran.attempts, ran.outcome, recorder.calls) == (0, "expired", [])


def test_failure_is_raised_when_all_have_run(signal: Signal, defer: Connected) -> None:
    ran = []

    def fail(sender: object, number: int, **kwargs: Any) -> None:
        ran.append(number)
        if number < 3:
            raise LookupError(f"number {number}")

    defer(signal, name="tests.of_failures", retry=None)(fail)
    with manual() as deferred:
        for number in (1, 2, 3):
            signal.send(None, number=number)
        with pytest.raises(LookupError, match="number 1") as caught:
            deferred.run_deferred()
    assert ran == [1, 2, 3]
    (note,) = caught.value.__notes__
    assert "receiver 'tests.of_failures', after 1 attempt; of 3 messages 2 failed" in note


def test_failure_is_raised_by_the_shortcut_unless_it_is_told_not_to(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, retry=None)(Recorder(failures=2))
    with manual():
        signal.send(None)
        with pytest.raises(ConnectionError):
            run_deferred()
        signal.send(None)
        (ran,) = run_deferred(raises=False)
    assert ran.outcome == "failed"


def test_failure_of_what_a_receiver_deferred_is_raised_too(
    signal: Signal, defer: Connected
) -> None:
    second = Signal()

    def first_step(sender: object, **kwargs: Any) -> None:
        second.send(None)

    defer(signal)(first_step)
    defer(second, retry=None)(Recorder(failures=1))
    with manual() as deferred:
        signal.send(None)
        with pytest.raises(ConnectionError):
            deferred.run_deferred()


def test_failure_of_a_row_that_is_gone_is_raised(signal: Signal, defer: Connected) -> None:
    defer(signal)(Recorder())
    order = Order.objects.create()
    with manual() as deferred:
        signal.send(None, order=order)
        Order.objects.all().delete()
        with pytest.raises(Exception, match="does not exist"):
            deferred.run_deferred()


def test_discarded_expired_and_retried_messages_are_no_failures(
    signal: Signal, defer: Connected
) -> None:
    def refuse(sender: object, **kwargs: Any) -> None:
        raise Discard("it is enough")

    defer(signal)(refuse)
    defer(signal)(Recorder(failures=1))
    defer(signal, expires=60, countdown=90)(Recorder())
    with manual() as deferred:
        signal.send(None)
        outcomes = {ran.outcome for ran in deferred.run_deferred()}
    assert outcomes == {"discarded", "succeeded", "expired"}


def test_wrong_waits_are_told_before_the_failure(signal: Signal, defer: Connected) -> None:
    defer(signal, retry=None)(Recorder(failures=1))
    with manual() as deferred:
        signal.send(None)
        with pytest.raises(AssertionError, match=r"not \[5\]"):
            deferred.run_deferred(waits=[5])


def test_doubling_what_was_not_deferred_is_an_error(signal: Signal, recorder: Recorder) -> None:
    with manual() as deferred:
        signal.send(None, number=1)
        with pytest.raises(AssertionError, match=r"No such message of .* waits\."):
            deferred.double(recorder, number=2)


# Durable messages.


@pytest.fixture
def durable(signal: Signal, defer: Connected) -> Recorder:
    """Connect a durable receiver."""
    recorder = Recorder()
    defer(signal, durable=True)(recorder)
    return recorder


def test_durable_message_whose_wake_up_is_lost_comes_later(
    signal: Signal, durable: Recorder
) -> None:
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        assert [call.kwargs for call in deferred.lose(durable, number=1)] == [{"number": 1}]
        deferred.run_deferred()
    assert durable.kwargs == [{"number": 2}, {"number": 1}]


def test_durable_message_is_late_by_a_lease_when_its_wake_up_was_lost(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, durable=True, expires=59)(Recorder())
    with manual() as deferred:
        signal.send(None)
        deferred.lose()
        (ran,) = deferred.run_deferred()
    assert ran.outcome == "expired"


def test_durable_message_runs_once_though_its_wake_up_comes_twice(
    signal: Signal, durable: Recorder
) -> None:
    with manual() as deferred:
        signal.send(None)
        assert len(deferred.double()) == 1
        (ran,) = deferred.run_deferred()
    assert (ran.attempts, len(durable.calls)) == (1, 1)


def test_durable_message_that_has_expired_is_told_as_discarded(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    defer(signal, durable=True, expires=60)(Recorder())
    defer(signal, expires=60)(Recorder())
    with manual() as deferred:
        signal.send(None)
        deferred.postpone(61)
        outcomes = [ran.outcome for ran in deferred.run_deferred()]
    assert outcomes == ["expired", "expired"]
    assert lifecycle.names == ["receiver_discarded"]


def test_message_that_expires_before_its_next_attempt_does_not_run_again(
    signal: Signal, defer: Connected
) -> None:
    recorder = Recorder(failures=1)
    defer(signal, expires=60, retry=Retry(wait_initial=90, wait_jitter=0))(recorder)
    with manual() as deferred:
        signal.send(None)
        (ran,) = deferred.run_deferred(waits=[90])
    assert (ran.attempts, ran.outcome) == (1, "expired")


# Order: one message of a key after another.


@pytest.fixture
def in_order(signal: Signal, defer: Connected) -> Any:
    """Connect an ordered receiver with options; all of its messages have one key."""

    def connect(receiver: Recorder, **options: Any) -> Recorder:
        defer(signal, durable=True, ordered_by=lambda sender, **_: "all", **options)(receiver)
        return receiver

    return connect


def test_message_that_is_late_holds_up_those_behind_it(signal: Signal, in_order: Any) -> None:
    recorder = in_order(Recorder())
    with manual() as deferred:
        for number in (1, 2, 3):
            signal.send(None, number=number)
        deferred.postpone(3600, number=1)
        deferred.lose(number=2)
        deferred.run_deferred()
    assert recorder.kwargs == [{"number": 1}, {"number": 2}, {"number": 3}]


def test_wait_for_its_turn_counts_for_the_expiry_and_the_timeout_of_a_message(
    signal: Signal, in_order: Any
) -> None:
    first = Retry(max_attempts=2, wait_initial=90, wait_jitter=0, timeout=100)
    recorder = in_order(
        Recorder(failures=3),
        retry=first,
        expires=lambda sender, number, **_: 60 if number == 2 else 900,
    )
    with manual() as deferred:
        for number in (1, 2, 3):
            signal.send(None, number=number)
        one, two, three = deferred.run_deferred(raises=False)
    assert (one.attempts, one.outcome) == (2, "failed")
    assert (two.attempts, two.outcome) == (0, "expired")
    assert (three.attempts, three.outcome) == (1, "failed")  # 90 seconds old when it began
    assert recorder.kwargs == [{"number": 1}, {"number": 1}, {"number": 3}]


def test_messages_of_other_receivers_run_meanwhile(
    signal: Signal, in_order: Any, defer: Connected
) -> None:
    numbers: list[str] = []

    def slow(sender: object, number: int, **kwargs: Any) -> None:
        numbers.append(f"slow {number}")
        if running().attempt == 1:
            raise ConnectionError

    def quick(sender: object, number: int, **kwargs: Any) -> None:
        numbers.append(f"quick {number}")

    in_order(slow)
    in_order(quick)
    with manual() as deferred:
        signal.send(None, number=1)
        signal.send(None, number=2)
        deferred.run_deferred()
    assert numbers == ["slow 1", "quick 1", "quick 2", "slow 1", "slow 2", "slow 2"]
