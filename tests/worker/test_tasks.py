"""Each deferred receiver is a Celery task of its own, declared as Celery wants it."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from billiard import current_process
from celery import Task, current_app
from django.dispatch import Signal

from deferred_signals.receivers import registry
from deferred_signals.worker.tasks import undeclare
from tests.project.celery import app
from tests.support.acting import Acting, raising
from tests.support.broker import Broker
from tests.support.celery_messages import SendTogether
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle


def receive(sender: object, **kwargs: object) -> None:
    """Say nothing."""


def test_receiver_is_registered_under_its_name_and_aliases(
    signal: Signal, defer: Connected
) -> None:
    defer(signal, name="tests.task.new", aliases=["tests.task.old"])(receive)
    assert {"tests.task.new", "tests.task.old"} <= current_app.tasks.keys()


def test_task_tells_where_the_receiver_is(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.task.told")(receive)
    task = current_app.tasks["tests.task.told"]
    assert task.__module__ == __name__
    assert task.__doc__ == "Say nothing."


class Base(Task):  # type: ignore[type-arg]  # Celery 5.4 has no arguments for it at run time
    """A project's own."""

    abstract = True


ATTRIBUTES = {
    "rate_limit": "10/m",
    "ignore_result": False,
    "acks_late": False,
    "track_started": True,
    "throws": (LookupError,),
    "send_events": False,
    "serializer": "yaml",
}


@pytest.mark.parametrize(("name", "value"), ATTRIBUTES.items(), ids=ATTRIBUTES)
def test_option_is_an_attribute_of_the_task(
    name: str, value: object, signal: Signal, defer: Connected
) -> None:
    defer(signal, name=f"tests.task.with_{name}", **{name: value})(receive)
    assert getattr(current_app.tasks[f"tests.task.with_{name}"], name) == value


def test_base_is_the_class_of_the_task(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.task.based", base=Base)(receive)
    assert isinstance(current_app.tasks["tests.task.based"], Base)


def test_defaults_keep_a_message_until_it_was_run(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.task.plain")(receive)
    task = current_app.tasks["tests.task.plain"]
    assert (task.acks_late, task.ignore_result) == (True, True)
    assert (task.max_retries, task.reject_on_worker_lost) == (None, False)
    assert task.rate_limit == current_app.conf.task_default_rate_limit


def test_celery_warns_of_nothing(signal: Signal, defer: Connected) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        defer(
            signal,
            name="tests.task.quiet",
            queue="mails",
            priority=3,
            countdown=1,
            expires=60,
            time_limit=10,
            soft_time_limit=9,
            headers={"a": 1},
            compression="gzip",
            **ATTRIBUTES,
        )(receive)
        assert "tests.task.quiet" in current_app.tasks


def test_task_finds_its_receiver_when_it_runs(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.task.gone")(receive)
    registry.discard(registry.get("tests.task.gone"))
    assert "tests.task.gone" in current_app.tasks


def test_payload_that_is_no_message_fails_the_task(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    defer(signal, name="tests.task.fed")(receive)
    result = current_app.tasks["tests.task.fed"].apply(("no message",))
    assert result.state == "FAILURE"
    (told,) = lifecycle.of("receiver_failed")
    assert (told["sender"], told["message"]) == ("tests.task.fed", None)
    assert told["exception"].payload == "no message"
    assert [record.name for record in caplog.records].count("deferred_signals") == 1


def test_worker_has_its_part_from_its_start_and_other_processes_do_not() -> None:
    program = """
import sys
from celery import Celery
from celery.signals import worker_init
from django.conf import settings
from django.dispatch import Signal
from deferred_signals import receiver

settings.configure()
app = Celery(broker="memory://")

def say() -> None:
    print("deferred_signals.worker.chunks" in sys.modules, "deferred_signals.parked" in app.tasks)

@receiver(Signal(), deferred=True, name="tests.receive")
def receive(sender, **kwargs): ...

say()
worker_init.send(sender=None)
say()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False", b"True", b"True"]


def declare_again(defer: Connected, signal: Signal, name: str, **options: Any) -> None:
    """Declare a receiver with these options, as the reload of its module does."""
    registry.discard(registry.get(name))
    defer(signal, name=name, **options)(receive)


def test_receiver_whose_task_was_undeclared_has_a_task_again(
    signal: Signal, defer: Connected
) -> None:
    """Celery cannot forget that the name is shared among all apps."""
    defer(signal, name="tests.task.undeclared", rate_limit="10/m")(receive)
    present = registry.get("tests.task.undeclared")
    registry.discard(present)
    undeclare(present)
    assert "tests.task.undeclared" not in current_app.tasks
    defer(Signal(), name="tests.task.undeclared", rate_limit="20/m")(receive)
    assert current_app.tasks["tests.task.undeclared"].rate_limit == "20/m"


@pytest.fixture
def default_rate() -> Iterator[str]:
    """Set a rate limit for every task in Celery's settings."""
    current_app.conf.task_default_rate_limit = "7/s"
    yield "7/s"
    del current_app.conf["task_default_rate_limit"]


def test_option_that_a_reload_removed_is_what_celerys_settings_say(
    signal: Signal, defer: Connected, default_rate: str
) -> None:
    """`Task.bind` fills what is None, also in a task that was bound before."""
    defer(signal, name="tests.task.bound", rate_limit="10/m", track_started=True)(receive)
    task = current_app.tasks["tests.task.bound"]
    assert (task.rate_limit, task.track_started) == ("10/m", True)
    declare_again(defer, Signal(), "tests.task.bound")
    assert current_app.tasks["tests.task.bound"] is task
    assert (task.rate_limit, task.track_started) == (default_rate, False)


@pytest.mark.django_db(transaction=True)
def test_message_that_is_published_after_a_reload_has_the_options_of_now(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    """Celery keeps a task's execution options from the first message on."""
    again = Signal()
    defer(signal, name="tests.task.written", serializer="yaml")(receive)
    signal.send(None)
    declare_again(defer, again, "tests.task.written", serializer="json")
    again.send(None)
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        types = [channel.basic_get("celery", no_ack=True).content_type for _ in range(2)]
    assert types == ["application/x-yaml", "application/json"]


@pytest.fixture
def pool_child() -> Iterator[None]:
    """Name this process like a child of a worker's pool."""
    process = current_process()
    name, process.name = process.name, "ForkPoolWorker-1"
    yield
    process.name = name


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pool_child")
def test_exit_of_a_pools_child_is_left_to_its_parent(
    signal: Signal, defer: Connected, send_together: SendTogether, lifecycle: Lifecycle
) -> None:
    defer(signal, name="tests.task.exits")(Acting({0: raising(SystemExit(3))}))
    (celery_message,) = send_together(1)
    with pytest.raises(SystemExit):
        celery_message.deliver()
    assert lifecycle.names == ["message_published", "receiver_started"]
