"""Celery apps of a test's own: for other brokers, routes and serializers than the project's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery

from deferred_signals.testing import live
from tests.project.celery import app

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
def broker_away(make_current: MakeCurrent, configure: Callable[..., None]) -> None:
    """Make an app current whose broker is a port where nothing listens, and keep no messages for it."""
    configure(KEEP_FOR=0)
    make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)
