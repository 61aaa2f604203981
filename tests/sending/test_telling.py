"""Handlers that are told of messages may send and fail: nothing recurs, and nobody else notices."""

import logging
from collections.abc import Callable, Iterator

import pytest
from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import Signal
from pytest_django import Settings

from deferred_signals import send_again
from deferred_signals.context import Carrier
from deferred_signals.events import message_published, publish_failed
from deferred_signals.message import Message
from tests.app.models import Label, Order, Run
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.fixtures import MakeCurrent, Numbers
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


def receive(sender: object, **kwargs: object) -> None:
    """Never runs here."""


@pytest.fixture(autouse=True)
def outside_of_tests(settings: Settings) -> None:
    """Django's test environment allows a host of its own; a site does not."""
    settings.ALLOWED_HOSTS = []


@pytest.fixture
def deaf_broker(make_current: MakeCurrent) -> None:
    """Use a broker's address where nothing listens."""
    make_current(broker_url="amqp://127.0.0.1:1//")


@pytest.fixture
def listen() -> Iterator[Callable[[Signal, Callable[..., None]], None]]:
    """Connect a listener for the length of a test."""
    connected = []

    def listen(signal: Signal, listener: Callable[..., None]) -> None:
        signal.connect(listener, weak=False)
        connected.append((signal, listener))

    yield listen
    for signal, listener in connected:
        signal.disconnect(listener)


class Writing(logging.Handler):
    """Writes a row for each record, as handlers that log into a database do."""

    def emit(self, record: logging.LogRecord) -> None:
        Run.log(record.name)


class Failing(logging.Handler):
    """Breaks the rule that a handler never raises."""

    def emit(self, record: logging.LogRecord) -> None:
        raise ConnectionError("the log is away")


@pytest.fixture
def logs_to() -> Iterator[Callable[[logging.Handler], None]]:
    """Add a handler to the library's logger for the length of a test."""
    logger, added = logging.getLogger("deferred_signals"), []

    def logs_to(handler: logging.Handler) -> None:
        logger.addHandler(handler)
        added.append(handler)

    yield logs_to
    for handler in added:
        logger.removeHandler(handler)


def note(**kwargs: object) -> None:
    Run.log("note")


def note_in_a_transaction(**kwargs: object) -> None:
    with transaction.atomic():
        Run.log("note")


notes = pytest.mark.parametrize("note", [note, note_in_a_transaction])


@notes
@pytest.mark.usefixtures("deaf_broker")
def test_listener_that_saves_is_told_of_no_loss_of_its_own(
    note: Callable[..., None],
    defer: Connected,
    numbers: Numbers,
    lifecycle: Lifecycle,
    listen: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(post_save, sender=Run)(receive)
    listen(publish_failed, note)
    numbers.send(1)
    with transaction.atomic():
        numbers.send(2, 3)
    assert Run.objects.count() == 2
    assert lifecycle.names == ["publish_failed", "publish_failed"]
    assert len(caplog.records) == 3


@notes
def test_listener_that_saves_what_it_is_told_is_told_no_more(
    note: Callable[..., None],
    defer: Connected,
    numbers: Numbers,
    listen: Callable[..., None],
    broker: Broker,
) -> None:
    defer(post_save, sender=Run, name="tests.of_the_note")(receive)
    listen(message_published, note)
    numbers.send(1)
    assert Run.objects.count() == 1
    # What it deferred is published all the same.
    assert "tests.of_the_note" in [published.task for published in broker.take()]


@pytest.mark.usefixtures("deaf_broker")
def test_log_handler_that_saves_is_told_of_no_loss_of_its_own(
    defer: Connected, numbers: Numbers, lifecycle: Lifecycle, logs_to: Callable[..., None]
) -> None:
    defer(post_save, sender=Run)(receive)
    logs_to(Writing())
    numbers.send(1)
    with transaction.atomic():
        numbers.send(2, 3)
    assert Run.objects.count() == 3
    assert [len(told["messages"]) for told in lifecycle.of("publish_failed")] == [1, 2]


@pytest.mark.usefixtures("deaf_broker")
def test_listener_that_sends_again_what_is_lost_is_told_once(
    numbers: Numbers, lifecycle: Lifecycle, listen: Callable[..., None]
) -> None:
    def again(messages: tuple[Message, ...], **kwargs: object) -> None:
        for message in messages:
            send_again(message)

    listen(publish_failed, again)
    numbers.send(1)
    assert lifecycle.names == ["publish_failed"]


@pytest.mark.parametrize("in_a_transaction", [False, True])
def test_handlers_of_a_call_that_cannot_be_deferred_may_save_such_rows(
    in_a_transaction: bool,
    defer: Connected,
    lifecycle: Lifecycle,
    listen: Callable[..., None],
    logs_to: Callable[..., None],
) -> None:
    defer(post_save, capture=lambda sender, **kwargs: {"odd": object()})(receive)
    listen(publish_failed, note)
    logs_to(Writing())
    if in_a_transaction:
        with transaction.atomic():
            Order.objects.create()
    else:
        Order.objects.create()
    assert Run.objects.count() == 2  # the listener's, and the log's
    assert lifecycle.names == ["publish_failed"]


@pytest.mark.usefixtures("deaf_broker")
def test_what_a_listener_saves_in_the_senders_transaction_is_not_told_of_later(
    defer: Connected, lifecycle: Lifecycle, listen: Callable[..., None]
) -> None:
    defer(post_save, sender=Run)(receive)
    defer(post_save, sender=Order, capture=lambda sender, **kwargs: {"odd": object()})(receive)
    listen(publish_failed, note)
    with transaction.atomic():
        Order.objects.create()
    assert Run.objects.count() == 1
    assert lifecycle.names == ["publish_failed"]


class Broken(Carrier):
    """A context carrier that fails at send."""

    key = "broken"

    def take(self) -> str:
        raise LookupError

    def restore(self, value: object) -> None:  # type: ignore[override]  # never called
        raise NotImplementedError


def test_log_handler_that_saves_may_need_the_carrier_that_it_logs(
    defer: Connected, broker: Broker, configure: Callable[..., None], logs_to: Callable[..., None]
) -> None:
    configure(CONTEXT=["tests.sending.test_telling.Broken"])
    defer(post_save, sender=Run)(receive)
    defer(post_save, sender=Label)(receive)
    logs_to(Writing())
    Label.objects.create(name="a")
    assert Run.objects.count() == 1
    assert len(broker.take()) == 2


@pytest.mark.usefixtures("deaf_broker")
def test_handlers_that_raise_fail_no_commit(
    numbers: Numbers,
    lifecycle: Lifecycle,
    listen: Callable[..., None],
    logs_to: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**kwargs: object) -> None:
        raise LookupError

    listen(publish_failed, fail)
    logs_to(Failing())
    numbers.send(1)
    assert lifecycle.names == ["publish_failed"]
    assert "the log is away" in capsys.readouterr().err


def test_handlers_that_raise_fail_no_save(
    defer: Connected,
    lifecycle: Lifecycle,
    logs_to: Callable[..., None],
) -> None:
    defer(post_save, sender=Order, capture=lambda sender, **kwargs: {"odd": object()})(receive)
    logs_to(Failing())
    Order.objects.create()
    assert lifecycle.names == ["publish_failed"]


def test_next_send_is_told_of_again(
    numbers: Numbers, lifecycle: Lifecycle, listen: Callable[..., None]
) -> None:
    listen(message_published, note)
    numbers.send(1, 2)
    assert lifecycle.names == ["message_published", "message_published"]
