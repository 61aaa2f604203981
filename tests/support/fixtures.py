"""Senders of numbered messages: which arrive, and in which order."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from django.db import connection, transaction
from django.dispatch import Signal
from pytest_django import DjangoDbBlocker, Settings

from deferred_signals.receivers import registry
from deferred_signals.testing import live
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.followed_models import MODELS
from tests.support.letters import QUICK, Acting, Letter, SendTogether, take_letters


class Numbers:
    """A deferred receiver of one signal, and the numbers that were sent to it."""

    def __init__(self, signal: Signal, broker: Broker) -> None:
        self.ran: list[int] = []
        self._signal = signal
        self._broker = broker

    def receive(self, sender: object, number: int, **kwargs: Any) -> None:
        self.ran.append(number)

    def send(self, *numbers: int, **kwargs: Any) -> None:
        """Send the signal once for each number."""
        for number in numbers:
            self._signal.send(None, number=number, **kwargs)

    @property
    def published(self) -> list[int]:
        """The numbers that reached the broker since this was last asked."""
        return [published.kwargs["number"] for published in self._broker.take()]


@pytest.fixture
def numbers(signal: Signal, broker: Broker, defer: Connected) -> Numbers:
    """A receiver with Celery's defaults."""
    made = Numbers(signal, broker)
    defer(signal)(made.receive)
    return made


@pytest.fixture
def chunked(signal: Signal, defer: Connected) -> Acting:
    """A receiver whose calls travel together."""
    acting = Acting()
    defer(signal, name="tests.chunked", chunk_size=10, retry=QUICK)(acting)
    return acting


@pytest.fixture
def send_together(signal: Signal, broker: Broker) -> SendTogether:
    """Send numbers in one transaction, and take what it published."""

    def send_together(count: int, **kwargs: Any) -> list[Letter]:
        with transaction.atomic():
            for number in range(count):
                signal.send(None, number=number, **kwargs)
        return take_letters()

    return send_together


@pytest.fixture
def configure(settings: Settings) -> Callable[..., None]:
    """Set keys of `DEFERRED_SIGNALS` for one test."""

    def configure(**values: Any) -> None:
        present = getattr(settings, "DEFERRED_SIGNALS", None) or {}
        settings.DEFERRED_SIGNALS = {**present, **values}

    return configure


@pytest.fixture
def eager(configure: Callable[..., None]) -> None:
    """Eager mode for one test."""
    configure(EAGER=True)


MakeCurrent = Callable[..., Celery]


@pytest.fixture
def make_current() -> Iterator[MakeCurrent]:
    """Make an app of the given configuration the current one for the length of a test."""
    made = []

    def make_current(**configuration: Any) -> Celery:
        other = Celery("other", set_as_current=False)
        other.conf.update(configuration)
        other.set_current()
        made.append(other)
        return other

    with live():  # its broker need not be one inside this process
        yield make_current
    app.set_current()
    for other in made:
        other.close()


@pytest.fixture
def only_own_receivers() -> Iterator[None]:
    """Hide the receivers of the test project, so that a test's own are all there are."""
    present = list(registry.all_receivers())
    for receiver in present:
        registry.discard(receiver)
    yield
    for receiver in present:
        registry.add(receiver)


@pytest.fixture(scope="session")
def followed_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Tables of the models in `followed_models`."""
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in MODELS:
                editor.delete_model(model)
