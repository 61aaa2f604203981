"""A result backend that is away: messages whose results are kept leave without it."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import signals
from django.db import transaction
from django.dispatch import Signal

from deferred_signals.testing import settings
from tests.support.connected import Connected, deferred
from tests.support.processes import free_port, wait_until

from .nodes import Broker, LocalRabbitMQ, LocalRedis
from .outages import BOUND, Told
from .own_app import on_broker, publishing_to
from .proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def placed(defer: Connected) -> Signal:
    """Give the signal of a receiver whose results are kept."""
    signal = Signal()

    @defer(signal, name="tests.results", ignore_result=False)
    def receive(sender: object, **kwargs: Any) -> None:
        """Never run: no worker reads the queue."""

    return signal


def send(signal: Signal, count: int) -> list[str]:
    with transaction.atomic():
        return [deferred(signal.send(None))[0].id for _ in range(count)]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@contextmanager
def away(silent: bool) -> Iterator[str]:
    """Give the URL of a Redis that refuses connections, or accepts them and answers nothing."""
    url = f"redis://127.0.0.1:{free_port()}"
    if not silent:
        yield url
        return
    with Proxy(url) as proxy:
        proxy.silent = True
        yield proxy.url


@pytest.mark.parametrize("silent", [False, True], ids=["not there", "silent"])
def test_redis_for_results_that_is_away_delays_no_commit_and_costs_no_message(
    node: Broker, told: Told, placed: Signal, silent: bool
) -> None:
    with away(silent) as backend, publishing_to(node.host_url) as app:
        app.conf.update(result_backend=backend)
        ids = send(placed, 1)  # which imports the backend
        for _ in range(3):
            with within(BOUND / 2):
                ids += send(placed, 3)
        assert told.failed == []
        assert told.published == ids
        assert sorted(on_broker(node.host_url)) == sorted(ids)


@pytest.mark.parametrize("node", ["rabbitmq"], indirect=True)
def test_rabbitmq_that_is_away_for_messages_and_results_alike_delays_one_commit(
    node: LocalRabbitMQ, told: Told, placed: Signal
) -> None:
    with (
        settings(BREAKER_COOLDOWN=0.3, CONNECT_TIMEOUT=1),
        Proxy(node.host_url) as proxy,
        publishing_to(proxy.url) as app,
    ):
        app.conf.update(result_backend="rpc://")
        ids = send(placed, 1)
        assert told.published == ids
        proxy.go_away()
        for bound in (BOUND, BOUND / 2, BOUND / 2):
            with within(bound):
                ids += send(placed, 3)
        proxy.come_back()
        wait_until(
            lambda: len(told.published) + len(told.failed) == len(ids), 15, "all fates are told"
        )
        assert len(told.failed) <= 1
        found = on_broker(node.host_url)
        assert len(found) == len(set(found))
        assert set(told.published) <= set(found)


def documented() -> dict[str, Any]:
    """Return the settings of Celery's that the page of options names against result backends that hang."""
    page = (Path(__file__).parents[2] / "docs" / "options.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n([^`]*RESULT_BACKEND_TRANSPORT[^`]*)```", page, re.MULTILINE)
    found: dict[str, Any] = {}
    exec(block, found)  # noqa: S102 - our own page
    return {
        name.removeprefix("CELERY_").lower(): value
        for name, value in found.items()
        if name.startswith("CELERY_")
    }


def listen(**kwargs: object) -> None:
    """Let Celery make each message, and tell the backend of it."""


@pytest.mark.parametrize("kind", ["redis", "silent redis", "rpc"])
def test_settings_of_the_page_bound_commits_that_celery_makes_ask_the_backend(
    kind: str, told: Told, placed: Signal, default_redis_broker: LocalRedis
) -> None:
    broker, backend = default_redis_broker.host_url, "rpc://"
    with away(kind == "silent redis") as url, ExitStack() as stack:
        signals.before_task_publish.connect(listen)
        stack.callback(signals.before_task_publish.disconnect, listen)
        if kind == "rpc":
            broker = url
        else:
            backend = url
        app = stack.enter_context(publishing_to(broker))
        app.conf.update(documented(), result_backend=backend)
        ids = send(placed, 1)  # which imports the backend
        with within(BOUND):
            ids += send(placed, 1)
    assert sorted(told.published + told.failed) == sorted(ids)
