"""Several databases: the commit that is waited for is that of the right one."""

import pytest
from django.db import connections, transaction
from django.db.models.signals import m2m_changed, post_save
from django.dispatch import Signal

from deferred_signals import ConfigurationError
from tests.app.models import Label, Order
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.recorder import listen

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def saved(defer: Connected) -> None:
    """Connect a receiver of saved labels."""

    @defer(post_save, sender=Label)
    def receive(sender: type, **kwargs: object) -> None: ...


@pytest.mark.usefixtures("saved")
def test_message_waits_for_the_commit_of_the_database_that_was_saved_on(broker: Broker) -> None:
    with transaction.atomic(using="other"):
        with transaction.atomic(using="default"):
            Label.objects.using("other").create(name="there")
        assert broker.take() == []
    (published,) = broker.take()
    assert published.message.using == "other"


@pytest.mark.usefixtures("saved")
def test_message_of_another_databases_autocommit_leaves_at_once(broker: Broker) -> None:
    with transaction.atomic(using="default"):
        Label.objects.using("other").create(name="there")
        assert len(broker.take()) == 1


@pytest.mark.usefixtures("saved")
def test_rollback_of_another_database_takes_nothing_along(broker: Broker) -> None:
    with transaction.atomic(using="other"), transaction.atomic(using="default"):
        Label.objects.using("other").create(name="there")
        transaction.set_rollback(True, using="default")
    assert len(broker.take()) == 1


def test_custom_signal_waits_for_the_database_of_its_instance(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None: ...

    label = Label.objects.using("other").create(name="there")
    with transaction.atomic(using="other"):
        signal.send(None, instance=label)
        assert broker.take() == []
    assert len(broker.take()) == 1


def test_custom_signal_waits_for_the_default_database(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None: ...

    with transaction.atomic(using="other"):
        signal.send(None)
        assert len(broker.take()) == 1
    with transaction.atomic():
        signal.send(None)
        assert broker.take() == []


def test_option_says_whose_commit_is_waited_for(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    @defer(signal, using="other")
    def receive(sender: object, **kwargs: object) -> None: ...

    with transaction.atomic(using="other"):
        with transaction.atomic(using="default"):
            signal.send(None, using="default")
        assert broker.take() == []
    assert len(broker.take()) == 1


def test_unknown_database_is_an_error_that_names_the_nearest(
    signal: Signal, defer: Connected
) -> None:
    @defer(signal, using="othr")
    def receive(sender: object, **kwargs: object) -> None: ...

    with pytest.raises(ConfigurationError, match="Did you mean 'other'"):
        signal.send(None)


@pytest.mark.usefixtures("eager")
def test_eager_receiver_gets_the_row_of_the_database_it_was_saved_on(
    signal: Signal, defer: Connected
) -> None:
    got: list[Order] = []

    @defer(signal)
    def receive(sender: object, order: Order, **kwargs: object) -> None:
        got.append(order)

    there = Order.objects.using("other").create(pk=7, status="there")
    Order.objects.create(pk=7, status="here")
    signal.send(None, order=there)
    assert [(order._state.db, order.status) for order in got] == [("other", "there")]


@pytest.mark.django_db(transaction=False, databases=["default", "other"])
@pytest.mark.usefixtures("eager")
def test_eager_receiver_in_a_testcase_waits_for_the_block_of_its_database(
    signal: Signal, defer: Connected
) -> None:
    ran = []

    @defer(signal, using="other")
    def receive(sender: object, number: int, **kwargs: object) -> None:
        ran.append(number)

    with transaction.atomic(using="default"):
        signal.send(None, number=1)
        assert ran == [1]
    with transaction.atomic(using="other"):
        with transaction.atomic(using="default"):
            signal.send(None, number=2)
        assert ran == [1]
    assert ran == [1, 2]
    assert connections["other"].execute_wrappers == []


@pytest.mark.usefixtures("eager")
def test_keys_that_a_clear_removes_are_looked_up_on_the_database_that_it_is_made_on(
    defer: Connected,
) -> None:
    got = listen(defer, m2m_changed, actions=("post_clear",))
    order = Order.objects.using("other").create()
    order.labels.add(Label.objects.using("other").create(name="there"))
    Order.objects.create(pk=order.pk).labels.add(Label.objects.create(name="here"))
    order.labels.clear()
    assert got["pk_set"] == {"there"}
