"""What somebody disconnected can be connected again, each time, and leaves nothing behind."""

import gc
import tracemalloc
import weakref
from typing import Any

import pytest
from django.dispatch import Signal

from deferred_signals import InvalidReceiver, connect, receiver
from deferred_signals.receivers import registry
from deferred_signals.receivers.connections import Connection, Connections, connected_by
from tests.app.models import Label, Order
from tests.support.callables import count, plain, service
from tests.support.connected import Connected, deferred

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (plain, {}),
        (service, {}),
        (service.method, {"queue": "slow"}),
        (plain, {"sender": Order}),
        (plain, {"sender": [Order, Label]}),
        (plain, {"dispatch_uid": "mine"}),
        (plain, {"weak": False}),
        (plain, {"headers": {"a": 1}}),
    ],
)
def test_connected_again_is_deferred_again(
    function: Any, options: dict[str, Any], signal: Signal, defer: Connected
) -> None:
    sender, uid = options.get("sender"), options.get("dispatch_uid")
    senders = sender if isinstance(sender, list) else [sender]
    for _ in range(3):
        defer(signal, name="tests.again", **options)(function)
        for one in senders:
            assert [sent.receiver for sent in deferred(signal.send(one))] == ["tests.again"]
            assert signal.disconnect(function, sender=one, dispatch_uid=uid)
            assert signal.send(one) == []


def test_only_what_was_disconnected_is_connected_again(signal: Signal, defer: Connected) -> None:
    other = Signal()
    defer([signal, other], name="tests.again", sender=[Order, Label])(plain)
    signal.disconnect(plain, sender=Order)
    assert count(signal, Order) == 0
    connect([signal, other], plain, name="tests.again", sender=[Order, Label])
    for one in (signal, other):
        assert [count(one, sender) for sender in (Order, Label)] == [1, 1]


def test_other_options_are_still_refused(signal: Signal, defer: Connected) -> None:
    for _ in range(2):
        defer(signal, name="tests.again")(plain)
    with pytest.raises(Exception, match="two sets of options"):
        connect(signal, plain, name="tests.again", queue="slow")


def test_options_that_changed_in_place_are_seen(signal: Signal, defer: Connected) -> None:
    headers = {"a": 1}
    defer(signal, name="tests.again", headers=headers)(plain)
    headers["a"] = 2
    with pytest.raises(Exception, match="two sets of options"):
        connect(signal, plain, name="tests.again", headers=headers)


def test_receiver_that_was_connected_plainly_meanwhile_is_refused(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.again")(plain)
    signal.disconnect(plain)
    signal.connect(plain)
    with pytest.raises(InvalidReceiver, match="without deferred=True"):
        connect(signal, plain, name="tests.again")


def test_connecting_again_with_weak_false_keeps_the_function(signal: Signal) -> None:
    @receiver(signal, deferred=True, name="tests.strong")
    def receive(sender: object, **kwargs: object) -> None: ...

    connect(signal, receive, name="tests.strong", weak=False)
    del receive
    gc.collect()
    assert count(signal) == 1
    registry.get("tests.strong").forget()


def test_function_that_died_gives_its_name_to_the_next(signal: Signal) -> None:
    for _ in range(3):

        @receiver(signal, deferred=True, name="tests.mortal")
        def receive(sender: object, **kwargs: object) -> None: ...

        assert count(signal) == 1
        del receive
        gc.collect()
        assert count(signal) == 0


def test_second_function_of_a_dispatch_uid_is_ignored_as_django_does(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.first", dispatch_uid="x")(plain)
    defer(signal, name="tests.second", dispatch_uid="x")(service)
    assert [sent.receiver for sent in deferred(signal.send(None))] == ["tests.first"]
    assert registry.get("tests.second").connections == []
    registry.get("tests.second").forget()
    assert count(signal) == 1


def test_cycles_leave_one_entry(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.cycles")(plain)
    for _ in range(1000):
        signal.disconnect(plain)
        connect(signal, plain, name="tests.cycles")
    assert registry.get("tests.cycles").connections == [Connection(signal, None, id(plain))]
    assert registry.get("tests.cycles").signals == [signal]


def kept_after(cycles: int, signal: Signal, **options: Any) -> int:
    """Return the bytes that are still there after so many cycles, without Django's own."""

    def grown_by(connect_: Any) -> int:
        connect_()
        signal.disconnect(plain)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(cycles):
            connect_()
            signal.disconnect(plain)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        djangos = grown_by(lambda: signal.connect(plain))
        ours = grown_by(lambda: connect(signal, plain, **options))
    finally:
        tracemalloc.stop()
    return ours - djangos


def test_cycles_keep_no_memory_beyond_django_s(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.cycles")(plain)
    signal.disconnect(plain)
    assert kept_after(3000, signal, name="tests.cycles") < 3000 * 8


def test_cycles_with_ever_new_uids_are_bounded(signal: Signal) -> None:
    owner = Owner()
    connections = Connections(owner)
    for number in range(1, 1000):
        connection = Connection(signal, None, number)
        signal.connect(owner, dispatch_uid=number)
        connections.add(connection)
        assert connections.present() == [connection]
        signal.disconnect(dispatch_uid=number)
    assert sum(Connection(signal, None, number) in connections for number in range(1, 1000)) < 100


class Owner:
    """A callable that is connected."""

    def __call__(self, **kwargs: object) -> None: ...


class Sender:
    """Sends, for a while."""


def test_sender_is_not_kept_alive(signal: Signal) -> None:
    sender = Sender()
    reference = weakref.ref(sender)
    connect(signal, plain, name="tests.sender", sender=sender)
    assert registry.get("tests.sender").connections[0].sender is sender
    del sender
    gc.collect()
    assert reference() is None
    assert registry.get("tests.sender").connections == []
    registry.get("tests.sender").forget()


def test_django_tells_what_is_connected_where_it_always_did(signal: Signal) -> None:
    sender, owner = Sender(), Owner()
    for weak in (True, False):
        for one in (None, sender, Order):
            connection = Connection(signal, one, "x")
            assert connected_by(connection) is None
            signal.connect(owner, sender=one, dispatch_uid="x", weak=weak)
            assert connected_by(connection) is owner
            assert connected_by(Connection(signal, one, "y")) is None
            signal.disconnect(sender=one, dispatch_uid="x")
            assert connected_by(connection) is None


def test_django_s_own_key_is_that_of_the_callable(signal: Signal) -> None:
    signal.connect(plain)
    assert connected_by(Connection(signal, None, id(plain))) is plain
