"""The set-up of a project: what checks and workers report of it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core import checks
from django.dispatch import Signal

from tests.support.connected import Connected
from tests.support.processes import free_port, wait_until

from .nodes import Broker, LocalRedis, needs_local_broker
from .own_app import publishing_to
from .workers import worker


def found(number: str) -> list[checks.CheckMessage]:
    messages = checks.run_checks(tags=["deferred_signals"], include_deployment_checks=True)
    return [message for message in messages if message.id == f"deferred_signals.{number}"]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


@contextmanager
def configured(redis: LocalRedis, **settings: str) -> Iterator[None]:
    """Give Redis other settings until the end of the block."""
    with redis.client as client:
        before = {name: client.config_get(name)[name] for name in settings}
        for name, value in settings.items():
            client.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                client.config_set(name, value)


@pytest.mark.parametrize("node", ["redis"], indirect=True)
@pytest.mark.parametrize(
    ("memory", "policy", "told"),
    [
        ("100mb", "allkeys-lru", True),
        ("100mb", "volatile-ttl", True),
        ("100mb", "noeviction", False),
        ("0", "allkeys-lru", False),
    ],
)
def test_w012_warns_of_a_redis_that_drops_keys(
    node: LocalRedis, signal: Signal, defer: Connected, memory: str, policy: str, told: bool
) -> None:
    limits = {"maxmemory": memory, "maxmemory-policy": policy}
    with publishing_to(node.host_url), configured(node, **limits):
        defer(signal)(receive)
        messages = found("W012")
    assert [policy in message.msg for message in messages] == [True] * told


def test_redis_that_is_not_there_is_no_matter_for_a_check(signal: Signal, defer: Connected) -> None:
    defer(signal)(receive)
    with publishing_to(f"redis://127.0.0.1:{free_port()}"):
        began = time.monotonic()
        assert found("W012") == []
        assert time.monotonic() - began < 8


def test_redis_that_does_not_answer_holds_no_check_up(signal: Signal, defer: Connected) -> None:
    defer(signal)(receive)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        began = time.monotonic()
        with publishing_to(url):
            assert found("W012") == []
        assert time.monotonic() - began < 8


@needs_local_broker
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("node", ["redis"], indirect=True)
def test_worker_without_the_library_among_its_apps_says_so(node: Broker, tmp_path: Path) -> None:
    settings = "tests.project.without_library"
    with worker(
        node,
        tmp_path,
        DJANGO_SETTINGS_MODULE=settings,
        TESTS_APP_MODULES="tests.app.fault_receivers",
    ) as process:
        wait_until(
            lambda: "'deferred_signals' is not in INSTALLED_APPS" in process.logs(),
            10,
            "it is told",
        )
