"""A test publishes nothing to a broker outside of its process, unless it says so."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from django.core import mail
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import TestCase, override_settings

from deferred_signals import PublishError
from deferred_signals.publishing.celery_settings import answers
from deferred_signals.support.under_test import is_under_test
from deferred_signals.testing import inline, live, manual, settings
from tests.project.celery import app
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.numbers import Numbers

REFUSED = r"A test would publish 1 messages, for .*\(amqp\).* inline\(\) or manual\(\)"


@pytest.fixture(autouse=True)
def nothing_is_kept(configure: Callable[..., None]) -> None:
    """Let what cannot be published be reported at once."""
    configure(KEEP_FOR=0)


@pytest.fixture(autouse=True)
def current() -> Iterator[Celery]:
    """Make an app current whose broker is outside; nothing listens there, so nothing is harmed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    other = Celery("other", set_as_current=False)
    other.conf.update(broker_url=f"amqp://secret:word@127.0.0.1:{port}//")
    other.set_current()
    yield other
    app.set_current()
    other.close()


@pytest.mark.django_db(transaction=True)
def test_caller_of_send_is_told_in_autocommit(numbers: Numbers) -> None:
    with pytest.raises(PublishError, match=REFUSED) as caught:
        numbers.send(1)
    assert "PUBLISH_IN_TESTS" in str(caught.value)
    assert "live()" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.django_db(transaction=True)
def test_robust_sender_is_told_in_the_result(signal: Signal, defer: Connected) -> None:
    @defer(signal)
    def receive(sender: object, **kwargs: object) -> None:
        """Never run: no test here delivers the message."""

    ((_, result),) = signal.send_robust(None)
    assert isinstance(result, PublishError)


@pytest.mark.django_db(transaction=True)
def test_test_is_told_at_the_commit(numbers: Numbers, lifecycle: Lifecycle) -> None:
    with pytest.raises(PublishError, match="3 messages"), transaction.atomic():
        numbers.send(1, 2, 3)
    assert connection.run_on_commit == []
    assert lifecycle.names == []  # nothing was lost: the test is wrong


@pytest.mark.django_db
def test_nothing_is_refused_in_a_transaction_that_is_never_committed(numbers: Numbers) -> None:
    with transaction.atomic():
        numbers.send(1)
    numbers.send(2)
    assert numbers.ran == []


@pytest.mark.django_db
def test_test_that_runs_the_hooks_is_told(numbers: Numbers) -> None:
    with pytest.raises(PublishError), TestCase.captureOnCommitCallbacks(execute=True):
        numbers.send(1)


@pytest.mark.django_db(transaction=True)
def test_modes_and_eager_mode_refuse_nothing(numbers: Numbers) -> None:
    with inline():
        numbers.send(1)
    with manual() as deferred:
        numbers.send(2)
        deferred.run_deferred()
    with settings(EAGER=True):
        numbers.send(3)
    assert numbers.ran == [1, 2, 3]


def outside_of_tests() -> Any:
    """Leave Django's test environment, as in a process of a site."""
    return override_settings(ALLOWED_HOSTS=["example.org"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "way_out",
    [live, lambda: settings(PUBLISH_IN_TESTS=True), outside_of_tests],
    ids=["live", "PUBLISH_IN_TESTS", "no test"],
)
def test_test_that_says_so_publishes(
    way_out: Callable[[], Any], numbers: Numbers, lifecycle: Lifecycle
) -> None:
    with way_out():
        with transaction.atomic():
            numbers.send(1)
        numbers.send(2)
    # It was tried: nobody listens.
    assert lifecycle.names == ["publish_failed", "publish_failed"]


@pytest.mark.django_db(transaction=True)
def test_live_decorates_functions_coroutines_and_classes(
    numbers: Numbers, signal: Signal, lifecycle: Lifecycle
) -> None:
    @live()
    def in_a_function() -> None:
        numbers.send(1)

    @live()
    class Tests:
        def test_something(self) -> None:
            numbers.send(2)

    in_a_function()
    Tests().test_something()
    assert lifecycle.names == ["publish_failed", "publish_failed"]


@pytest.mark.django_db(transaction=True)
def test_mode_inside_live_counts_and_live_inside_a_mode(
    numbers: Numbers, lifecycle: Lifecycle
) -> None:
    with live(), inline():
        numbers.send(1)
    assert (numbers.ran, lifecycle.names) == ([1], ["receiver_started", "receiver_succeeded"])
    with inline(), live():
        numbers.send(2)
    assert lifecycle.names[2:] == ["publish_failed"]


@pytest.mark.parametrize(
    ("configuration", "transport"),
    [
        ({"broker_url": "memory://"}, "memory"),
        ({"broker_url": "memory://localhost//"}, "memory"),
        ({"broker_url": ["memory://", "memory://other"]}, "memory"),
        ({"broker_url": "memory://;memory://"}, "memory"),
        ({"broker_url": "memory://;redis://localhost"}, "redis"),
        ({"broker_url": ["memory://", "amqp://"]}, "amqp"),
        ({"broker_url": "memory://", "broker_write_url": "redis://"}, "redis"),
        ({"broker_url": "redis://", "broker_write_url": "memory://"}, "memory"),
        ({"broker_url": "filesystem://"}, "filesystem"),
        ({"broker_url": None, "broker_transport": "memory"}, "memory"),
        ({"broker_url": None}, "amqp"),
    ],
)
def test_broker_inside_the_process_is_told_from_others(
    configuration: dict[str, Any], transport: str, current: Celery
) -> None:
    current.conf.update(configuration)
    assert answers().transport == transport


def test_test_environment_is_what_django_sets_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_under_test()
    with override_settings(ALLOWED_HOSTS=["*"]):
        assert not is_under_test()
    monkeypatch.delattr(mail, "outbox")
    assert not is_under_test()
