"""Any batch of messages, put into parcels: nothing lost, nothing doubled, limits kept."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.dispatch import Signal
from hypothesis import given
from hypothesis import strategies as st

from deferred_signals import conf
from deferred_signals.message import Message
from deferred_signals.message.outgoing import Outgoing
from deferred_signals.publishing.parcels import Parcel, parcels
from tests.support.connected import Connected

#: Receivers of the test, and how many calls of each may travel together.
SIZES = {"tests.single": 1, "tests.few": 3, "tests.many": 100}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"queue": "mails", "time_limit": 2.5},
    {"queue": "mails", "time_limit": 2.5, "headers": {"tenant": "blue"}},
    {"priority": 3},
]


@pytest.fixture(scope="module", autouse=True)
def receivers() -> Iterator[None]:
    """Connect the receivers of the messages; one of the names has no receiver."""
    connected = Connected()
    for name, size in SIZES.items():

        @connected(Signal(), name=name, chunk_size=size)
        def receive(sender: object, **kwargs: object) -> None:
            """Never run: no test here delivers the message."""

    yield
    connected.end()


def outgoing(number: int, receiver: str, options: int, size: int) -> Outgoing:
    """Return a message whose payload is nothing but of a size."""
    message = Message(
        id=f"id{number}",
        receiver=receiver,
        signal="tests.signal",
        sender=None,
        kwargs={"number": number},
        using="default",
        sent_at=datetime.now(UTC),
    )
    return Outgoing(message, "x" * size, dict(OPTIONS[options]))


batches = st.lists(
    st.tuples(
        st.sampled_from([*SIZES, "tests.gone"]),
        st.integers(0, len(OPTIONS) - 1),
        st.sampled_from([300, 40_000, 250_000]),
    ),
    max_size=40,
).map(lambda drawn: [outgoing(number, *parts) for number, parts in enumerate(drawn)])


def lane(receiver: str, options: dict[str, Any]) -> str:
    """Return what messages must have in common to travel together."""
    return f"{receiver} {sorted(options.items())}"


def ids_of(parcel: Parcel) -> list[str]:
    """Return the ids of a parcel's messages."""
    return [outgoing.message.id for outgoing in parcel.outgoings]


@given(batch=batches)
def test_each_message_is_in_one_parcel_and_those_alike_keep_their_order(
    batch: list[Outgoing],
) -> None:
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    options_of = {item.message.id: item.options for item in batch}
    for item in batch:
        before[lane(item.message.receiver, item.options)].append(item.message.id)
    for parcel in parcels(batch):
        for id_ in ids_of(parcel):
            after[lane(parcel.name, options_of[id_])].append(id_)
    assert after == before


@given(batch=batches)
def test_parcel_holds_what_belongs_together_and_no_more_than_fits(batch: list[Outgoing]) -> None:
    by_id = {item.message.id: item for item in batch}
    for parcel in parcels(batch):
        items = [by_id[id_] for id_ in ids_of(parcel)]
        assert parcel.outgoings == tuple(items)
        assert parcel.payloads == tuple(item.payload for item in items)
        number = f"{len(items)} calls: number" if len(items) > 1 else "number"
        assert parcel.argsrepr == f"({number})"
        assert {lane(item.message.receiver, item.options) for item in items} == {
            lane(parcel.name, items[0].options)
        }
        assert len(items) <= SIZES.get(parcel.name, 1)
        assert len(items) == 1 or sum(map(len, parcel.payloads)) <= conf.current().MAX_MESSAGE_BYTES


@given(batch=batches)
def test_parcels_go_in_the_order_of_their_first_messages(batch: list[Outgoing]) -> None:
    place = {item.message.id: number for number, item in enumerate(batch)}
    firsts = [place[ids_of(parcel)[0]] for parcel in parcels(batch)]
    assert firsts == sorted(firsts)


@given(batch=batches)
def test_chunk_has_an_id_of_its_own_and_the_time_of_all_its_calls(batch: list[Outgoing]) -> None:
    by_id = {item.message.id: item for item in batch}
    made = parcels(batch)
    assert len({parcel.task_id for parcel in made}) == len(made)
    for parcel in made:
        calls, given_options = len(ids_of(parcel)), by_id[ids_of(parcel)[0]].options
        assert (parcel.task_id == ids_of(parcel)[0]) == (calls == 1)
        expected = dict(given_options)
        if "time_limit" in expected:
            expected["time_limit"] *= calls
        assert parcel.options == expected


def test_no_more_parcels_than_needed() -> None:
    batch = [outgoing(number, "tests.few", number % 2, 300) for number in range(12)]
    assert [len(ids_of(parcel)) for parcel in parcels(batch)] == [3, 3, 3, 3]
