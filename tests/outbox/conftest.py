"""The fixtures of durable delivery: a database without a transaction of a test's own around it.

The tests run on the database of `DATABASE_URL`; with none on SQLite.
"""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from celery import Celery
from pytest_django import DjangoDbBlocker

from tests.app.models import Label, Order
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.outbox import Durable
from tests.support.services import absent, listens

from .added_databases import add_database, names
from .plugged import plugged
from .rows import empty_the_table, kept
from .ways import connect, way

__all__ = ["add_database", "connect", "kept", "names", "plugged", "way"]


@pytest.fixture(scope="session")
def server() -> None:
    """Skip, or fail where `CI=true`, if the database of `DATABASE_URL` does not answer."""
    url = os.environ.get("DATABASE_URL") or "sqlite:"
    if urlsplit(url).scheme != "sqlite" and not listens(url):
        absent(f"The database of DATABASE_URL, {urlsplit(url).scheme}, does not answer.")


@pytest.fixture(autouse=True)
def _django_db_marker() -> None:
    """Keep pytest-django's mark from flushing all tables after each test: `database` is quicker."""


@pytest.fixture(autouse=True)
def database(
    server: None, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Let a test commit, and remove afterwards what these tests write."""
    with django_db_blocker.unblock():
        empty_the_table()
        yield
        empty_the_table()
        Label.objects.all().delete()
        Order.objects.all().delete()


@pytest.fixture
def durable(defer: Connected, broker: Broker) -> Durable:
    """Connect a durable receiver with the default options, and send it numbers."""
    return Durable(defer, name="tests.durable")


@pytest.fixture
def broker_outside() -> Iterator[None]:
    """Make an app current whose broker is outside of this process, and away."""
    other = Celery("other", set_as_current=False)
    other.conf.update(broker_url="amqp://127.0.0.1:1//")
    other.set_current()
    yield
    app.set_current()
    other.close()
