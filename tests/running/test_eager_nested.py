"""Eager mode: receivers that defer others. The same holds in a `TestCase` and where it commits."""

import pytest
from django.db import connection, transaction
from django.dispatch import Signal

from deferred_signals import DepthExceeded
from tests.support.connected import Connected, running
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(
    params=[
        pytest.param(True, id="TestCase", marks=pytest.mark.django_db),
        pytest.param(
            False, id="TransactionTestCase", marks=pytest.mark.django_db(transaction=True)
        ),
    ],
    autouse=True,
)
def database(request: pytest.FixtureRequest) -> None:
    """Run each test in both kinds of test case."""
    assert connection.in_atomic_block is request.param


@pytest.fixture(params=["in a block", "without a block"])
def block(request: pytest.FixtureRequest) -> bool:
    """Run each test with an open transaction of the code under test, and with none."""
    return bool(request.param == "in a block")


def send(signal: Signal, *, block: bool, **kwargs: object) -> None:
    if block:
        with transaction.atomic():
            signal.send(None, **kwargs)
    else:
        signal.send(None, **kwargs)


def test_receiver_may_defer_another(signal: Signal, defer: Connected, *, block: bool) -> None:
    ran, inner_signal = [], Signal()

    @defer(signal)
    def outer(sender: object, **kwargs: object) -> None:
        inner_signal.send(None)
        ran.append("outer")

    @defer(inner_signal)
    def inner(sender: object, **kwargs: object) -> None:
        ran.append("inner")

    send(signal, block=block)
    assert sorted(ran) == ["inner", "outer"]


def test_depth_is_counted(signal: Signal, defer: Connected, *, block: bool) -> None:
    depths = []

    @defer(signal)
    def receive(sender: object, left: int, **kwargs: object) -> None:
        depths.append(running().depth)
        if left:
            signal.send(None, left=left - 1)

    send(signal, block=block, left=3)
    assert depths == [0, 1, 2, 3]


def test_endless_deferral_ends_at_max_depth(
    signal: Signal, defer: Connected, *, block: bool
) -> None:
    depths = []

    @defer(signal, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        depths.append(running().depth)
        signal.send(None)

    with pytest.raises(DepthExceeded, match="MAX_DEPTH"):
        send(signal, block=block)
    assert depths == list(range(17))


def test_failure_of_a_nested_receiver_is_not_charged_to_the_one_that_deferred_it(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, *, block: bool
) -> None:
    ran, inner_signal = [], Signal()

    @defer(signal, name="tests.outer")
    def outer(sender: object, **kwargs: object) -> None:
        ran.append("outer")
        inner_signal.send(None)

    @defer(signal, name="tests.neighbour")
    def neighbour(sender: object, **kwargs: object) -> None:
        ran.append("neighbour")

    @defer(inner_signal, retry=None, name="tests.inner")
    def inner(sender: object, **kwargs: object) -> None:
        raise LookupError("of the inner one")

    with pytest.raises(LookupError, match="of the inner one"), transaction.atomic():
        send(signal, block=block)
    assert ran == ["outer", "neighbour"]
    assert [told["sender"] for told in lifecycle.of("receiver_succeeded")] == [
        "tests.outer",
        "tests.neighbour",
    ]
