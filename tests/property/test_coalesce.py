"""What is merged is what survived, by rules that do not mind how sends are grouped.

Each send to be coalesced has its number in ``update_fields``, whose union then tells which sends a
message stands for.
"""

from typing import Any

import pytest
from django.dispatch import Signal
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from deferred_signals.serialization import CODEC, merge_kwargs
from tests.property.test_transactions import Entry, InATestCase, Transactions

together = Signal()

names = st.sampled_from(["status", "total", "größe", "$odd"])
values = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.tuples(st.integers()))
sends = st.fixed_dictionaries(
    {"number": st.integers()},
    optional={
        "created": st.booleans(),
        "update_fields": st.none() | st.frozensets(names),
        "pk_set": st.none() | st.sets(st.integers() | st.tuples(st.integers(), st.text())),
        "changes": st.dictionaries(names, st.tuples(values, values)),
    },
)


def merged(*sends: dict[str, Any]) -> dict[str, Any]:
    """Merge sends one after another, as a commit does."""
    first, *others = sends
    for send in others:
        forms = merge_kwargs(CODEC.encode_values(first), CODEC.encode_values(send))
        first = CODEC.decode_values(forms)
    return first


@given(sends, sends, sends)
def test_grouping_of_sends_does_not_matter(
    one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]
) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three))


@given(sends)
def test_send_merged_with_itself_is_itself(send: dict[str, Any]) -> None:
    assert merged(send, send) == send


@given(st.lists(sends, min_size=1, max_size=6))
def test_what_a_receiver_acts_on_is_not_lost(several: list[dict[str, Any]]) -> None:
    found = merged(*several)
    told = {name: [send[name] for send in several if name in send] for name in found}
    assert found["number"] == several[-1]["number"]
    assert {*found} == {name for send in several for name in send}
    if "created" in found:
        assert found["created"] == any(told["created"])
    for name in {"update_fields", "pk_set"} & found.keys():
        every = told[name]
        assert found[name] == (None if None in every else {item for one in every for item in one})
    for name, (old, new) in found.get("changes", {}).items():
        pairs = [changes[name] for changes in told["changes"] if name in changes]
        assert (old, new) == (pairs[0][0], pairs[-1][1])
    if "changes" in found:
        assert {*found["changes"]} == {name for changes in told["changes"] for name in changes}


class Coalesced(Transactions):
    """As `Transactions`, with sends that are coalesced by a key among the others."""

    def __init__(self) -> None:
        super().__init__()
        #: Key, and the numbers of the sends that one message stands for.
        self.merged: list[tuple[str, set[int]]] = []
        self.expected_merged: list[tuple[str, set[int]]] = []

    @initialize()
    def connect(self) -> None:
        super().connect()

        def key_of(sender: object, key: str, **kwargs: Any) -> str:
            return key

        self.defer(together, name="tests.coalesced", coalesce=key_of)(self.receive_merged)

    def receive_merged(self, sender: object, key: str, update_fields: Any, **kwargs: Any) -> None:
        self.merged.append((key, set(update_fields)))

    def published(self, message: Any, **kwargs: object) -> None:
        if message.receiver == "tests.coalesced":
            self.receive_merged(None, **CODEC.decode_values(message.kwargs))
        else:
            super().published(message)

    @rule(key=st.sampled_from("ab"))
    def send_to_be_coalesced(self, key: str) -> None:
        self.number += 1
        together.send(None, key=key, update_fields=frozenset({self.number}))
        self.happen((key, self.number))

    def commit(self, entries: list[Entry]) -> None:
        groups: dict[str, set[int]] = {}
        for key, number in entries:
            if key in {"a", "b"}:
                groups[key] = {*groups.pop(key, ()), number}  # the message is the last send's
        self.expected_merged.extend(groups.items())
        super().commit([entry for entry in entries if entry[0] not in {"a", "b"}])

    @invariant()
    def what_was_merged_is_what_survived(self) -> None:
        assert self.merged == self.expected_merged


class CoalescedInATestCase(Coalesced, InATestCase):
    """The same where nothing is ever committed."""


BRIEF = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.django_db(transaction=True)
def test_what_is_published_is_merged_over_what_survived() -> None:
    run_state_machine_as_test(Coalesced, settings=BRIEF)


@pytest.mark.django_db(transaction=True)
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_what_runs_in_eager_mode_is_merged_over_what_survived() -> None:
    run_state_machine_as_test(Coalesced, settings=BRIEF)


@pytest.mark.django_db
@override_settings(DEFERRED_SIGNALS={"EAGER": True})
def test_what_runs_in_a_testcase_is_merged_over_what_its_blocks_let_through() -> None:
    run_state_machine_as_test(CoalescedInATestCase, settings=BRIEF)
