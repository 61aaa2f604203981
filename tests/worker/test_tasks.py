"""Each deferred receiver is a Celery task of its own, declared as Celery wants it."""

import subprocess
import sys
import warnings

import pytest
from celery import Task, current_app
from django.dispatch import Signal

from deferred_signals.receivers import registry
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
