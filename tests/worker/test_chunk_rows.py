"""Rows that the calls of a chunk refer to are read together, and given to each call as its own."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connections, models, transaction
from django.db.models.signals import post_init, post_save
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from deferred_signals.message.wire import unpack
from tests.app.models import Article, GiftOrder, Label, Order, PaidOrder, Run, Seat, Ticket
from tests.support.broker import Broker
from tests.support.celery_messages import CeleryMessage, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.recorder import Recorder, listen

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

MODELS: dict[str, Callable[[int], models.Model]] = {
    "string": lambda number: Label.objects.create(name=f"label {number}"),
    "uuid": lambda number: Ticket.objects.create(subject="help"),
    "number": lambda number: Order.objects.create(),
    "proxy": lambda number: PaidOrder.objects.create(),
    "child": lambda number: GiftOrder.objects.create(wish="socks"),
    "composite": lambda number: Seat.objects.create(row="A", number=number),
    "type of its own": lambda number: Article.objects.create(),
    "elsewhere": lambda number: Order.objects.using("other").create(),
}


@pytest.fixture
def rows(signal: Signal, defer: Connected, broker: Broker) -> Recorder:
    """Record what reaches a receiver whose calls travel together."""
    return listen(defer, signal, chunk_size=1000, retry=None)


def send_each(signal: Signal, found: Sequence[Any], name: str = "row") -> CeleryMessage:
    """Send one signal for each row, in one transaction."""
    with transaction.atomic():
        for row in found:
            signal.send(None, **{name: row})
    (celery_message,) = take_celery_messages()
    return celery_message


def deliver(celery_message: CeleryMessage, alias: str = "default") -> int:
    """Run a chunk, and return the number of queries."""
    with CaptureQueriesContext(connections[alias]) as queries:
        assert celery_message.deliver() == "SUCCESS"
    return len(queries)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_rows_of_a_model_are_read_by_one_query(
    signal: Signal, rows: Recorder, make: Callable[[int], models.Model]
) -> None:
    made = [make(number) for number in range(10)]
    alias = made[0]._state.db
    assert alias is not None
    assert deliver(send_each(signal, made), alias) == 1
    got = [call["row"] for call in rows.calls]
    assert got == made
    assert {(type(row), row._state.db) for row in got} == {(type(made[0]), alias)}


def test_rows_of_two_models_on_two_databases_are_read_by_a_query_each(
    signal: Signal, rows: Recorder
) -> None:
    made = [make(number) for make in MODELS.values() for number in range(2)]
    celery_message = send_each(signal, made)
    with CaptureQueriesContext(connections["default"]) as queries:
        assert deliver(celery_message, "other") == 1
    assert len(queries) == len(MODELS) - 1
    assert [call["row"] for call in rows.calls] == made


def test_references_inside_other_values_are_read_ahead_too(signal: Signal, rows: Recorder) -> None:
    made = [Order.objects.create() for _ in range(6)]
    pairs = [{"$pair": (made[place], {"of": [made[place + 1]]})} for place in range(0, 6, 2)]
    assert deliver(send_each(signal, pairs)) == 1
    assert [call["row"] for call in rows.calls] == pairs


def test_more_rows_than_a_query_may_name_are_read_too(signal: Signal, rows: Recorder) -> None:
    """SQLite has a limit, and a composite key takes two of it."""
    Seat.objects.bulk_create(Seat(row="A", number=number) for number in range(600))
    made = list(Seat.objects.order_by("number"))
    assert deliver(send_each(signal, made)) <= 3
    assert [call["row"] for call in rows.calls] == made


def test_calls_for_one_row_share_no_instance(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    seen = []

    @defer(signal, chunk_size=10)
    def receive(sender: object, run: Run, **kwargs: Any) -> None:
        seen.append((run, dict(run.payload), run.receiver))
        run.payload["seen"] = True
        run.receiver = "changed"
        run._state.adding = True

    row = Run.log("new", total=1)
    assert deliver(send_each(signal, [row, row, row], "run")) == 1
    assert [(payload, name) for _, payload, name in seen] == [({"total": 1}, "new")] * 3
    assert len({id(run) for run, *_ in seen}) == 3


def test_row_that_is_gone_is_missing_for_its_own_call(
    signal: Signal, rows: Recorder, lifecycle: Lifecycle
) -> None:
    made = [Order.objects.create() for _ in range(3)]
    celery_message = send_each(signal, made)
    Order.objects.filter(pk=made[1].pk).delete()
    deliver(celery_message)
    assert [call["row"] for call in rows.calls] == [made[0], made[2]]
    (failed,) = lifecycle.of("receiver_failed")
    assert failed["message"].id == unpack(celery_message.wires[1]).id


def test_rows_that_cannot_be_read_together_are_read_alone(
    signal: Signal, rows: Recorder, lifecycle: Lifecycle
) -> None:
    """A key that the model cannot have spoils the query for all."""
    made = [Order.objects.create() for _ in range(3)]
    celery_message = send_each(signal, made)
    spoilt = celery_message.wires[1].replace(f'.Order",{made[1].pk},', '.Order","no key",')
    assert spoilt != celery_message.wires[1]
    celery_message.wires = (celery_message.wires[0], spoilt, celery_message.wires[2])
    deliver(celery_message)
    assert [call["row"] for call in rows.calls] == [made[0], made[2]]
    assert len(lifecycle.of("receiver_failed")) == 1


def test_reading_that_fails_leaves_each_call_to_a_message_of_its_own(
    signal: Signal, rows: Recorder
) -> None:
    celery_message = send_each(signal, [Order.objects.create() for _ in range(3)])

    def refuse(**kwargs: Any) -> None:
        raise RuntimeError("this row cannot be made")

    post_init.connect(refuse, sender=Order)
    try:
        assert celery_message.deliver() == "FAILURE"
    finally:
        post_init.disconnect(refuse, sender=Order)
    assert rows.calls == []
    left = [unpack(wire) for single in take_celery_messages() for wire in single.wires]
    assert left == [unpack(wire) for wire in celery_message.wires]


def test_rows_of_calls_from_another_context_are_read_in_theirs(
    signal: Signal, rows: Recorder
) -> None:
    """A carrier may choose where rows are read, as one for tenants does."""
    languages = []

    def note(**kwargs: Any) -> None:
        languages.append(translation.get_language())

    made = [Order.objects.create() for _ in range(3)]
    with transaction.atomic():
        signal.send(None, row=made[0])
        with translation.override("de"):
            signal.send(None, row=made[1])
        signal.send(None, row=made[2])
    (celery_message,) = take_celery_messages()
    post_init.connect(note, sender=Order)
    try:
        assert deliver(celery_message) == 2
    finally:
        post_init.disconnect(note, sender=Order)
    assert languages == ["en-us", "en-us", "de"]
    assert [call["row"] for call in rows.calls] == made


def test_signals_of_saves_are_read_together_as_well(defer: Connected, broker: Broker) -> None:
    got = listen(defer, post_save, sender=Order, chunk_size=10)
    with transaction.atomic():
        made = [Order.objects.create() for _ in range(5)]
    (celery_message,) = take_celery_messages()
    assert deliver(celery_message) == 1
    assert [call["instance"] for call in got.calls] == made
