"""What workers read of Celery, kombu and billiard, which they do not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

import importlib
import inspect
import sys
import weakref
from operator import attrgetter
from pathlib import Path
from typing import Any

import billiard
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery, current_app, exceptions, shared_task
from celery.app.task import Context
from celery.worker import request, strategy
from celery.worker.consumer import consumer
from celery.worker.request import Request
from kombu import serialization

from deferred_signals.receivers import registry
from tests.support.celery_apps import MakeCurrent

MODULE = """
from django.dispatch import Signal
from deferred_signals import receiver
sent = Signal()

@receiver(sent, deferred=True{})
def receive(sender, **kwargs): ...
"""


def run() -> None:
    """Be a task."""


def test_task_of_a_reloaded_receiver_takes_from_the_settings_what_it_names_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_current: MakeCurrent
) -> None:
    make_current(task_track_started=True, task_default_rate_limit="5/m")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "bound_again.py"
    file.write_text(MODULE.format(", track_started=False, rate_limit='1/s'"))
    module = importlib.import_module("bound_again")
    task = current_app.tasks["bound_again.receive"]
    assert (task.track_started, task.rate_limit) == (False, "1/s")
    file.write_text(MODULE.format("") + "# another length\n")
    importlib.invalidate_caches()
    importlib.reload(module)
    assert current_app.tasks["bound_again.receive"] is task
    assert (task.track_started, task.rate_limit) == (True, "5/m")
    registry.discard(registry.get("bound_again.receive"))
    sys.modules.pop("bound_again")


def test_task_that_is_bound_again_takes_what_is_none_from_the_settings() -> None:
    app = Celery("pinned", set_as_current=False)
    app.task(name="pinned.bound", shared=False, track_started=True)(run)
    app.finalize()
    task: Any = app.tasks["pinned.bound"]
    assert task.track_started is True
    type(task).track_started = None
    task.bind(app)
    assert task.track_started is app.conf.task_track_started


def test_function_of_a_task_is_compiled_under_its_name() -> None:
    app = Celery("pinned", set_as_current=False)
    app.task(name="pinned.compiled", shared=False)(lambda: None)
    with pytest.raises(SyntaxError):
        app.finalize()


def test_shared_task_is_every_apps_and_may_be_taken_from_one() -> None:
    share: Any = shared_task  # its stubs know one shape of arguments at a time
    share(name="pinned.shared")(run)
    one = Celery("one", set_as_current=False)
    one.finalize()
    assert "pinned.shared" in one.tasks
    one.tasks.pop("pinned.shared")
    assert "pinned.shared" not in one.tasks
    two = Celery("two", set_as_current=False)
    two.finalize()
    assert "pinned.shared" in two.tasks


def test_task_names_the_class_of_its_requests() -> None:
    app = Celery("pinned", set_as_current=False)
    path = "deferred_signals.worker.parent:ReceiverRequest"
    task: Any = app.task(name="pinned.request", shared=False, Request=path)(run)
    assert strategy.symbol_by_name(task.Request).__name__ == "ReceiverRequest"  # type: ignore[attr-defined]  # its stubs lack it


def test_request_has_what_a_subclass_overrides() -> None:
    names = {
        "info": ["self", "safe"],
        "on_timeout": ["self", "soft", "timeout"],
        "on_failure": ["self", "exc_info", "send_failed_event", "return_ok"],
    }
    for name, parameters in names.items():
        assert [*inspect.signature(getattr(Request, name)).parameters] == parameters
    assert isinstance(vars(Request)["request_dict"], property)
    assert Request._already_revoked is False  # type: ignore[attr-defined]  # noqa: SLF001 - pinned here
    assert "_context" in dir(Request)
    assert {"acknowledge", "reject", "type", "args", "content_type"} <= {*dir(Request)}


def test_child_is_given_what_request_dict_gives() -> None:
    (made,) = (
        function
        for name, function in inspect.getmembers(request, inspect.isfunction)
        if name == "create_request_cls"
    )
    assert "self.request_dict, self.body" in inspect.getsource(made)


def test_context_lists_what_celery_tells_a_task() -> None:
    assert {"headers", "id", "root_id", "parent_id", "timelimit", "expires", "eta"} <= {
        *vars(Context)
    }
    context = Context({"tenant": "blue"})
    assert vars(context)["tenant"] == "blue"
    assert context.called_directly


def test_request_may_be_held_weakly() -> None:
    context = Context({})
    assert weakref.WeakKeyDictionary({context: 7})[context] == 7


def test_task_makes_a_signature_of_a_request() -> None:
    app = Celery("pinned", set_as_current=False)
    task: Any = app.task(name="pinned.again", shared=False)(run)
    context = Context({"id": "7", "retries": 2, "expires": "2031-01-01T00:00:00+00:00"})
    made = task.signature_from_request(context, args=("text",), kwargs={}, queue="audit")
    assert (made.task, made.args, made.kwargs) == ("pinned.again", ("text",), {})
    assert made.options["task_id"] == "7"
    assert made.options["queue"] == "audit"
    assert made.options["expires"] == "2031-01-01T00:00:00+00:00"


def test_consumer_logs_under_its_modules_name() -> None:
    assert consumer.logger.name == "celery.worker.consumer.consumer"  # type: ignore[attr-defined]  # its stubs lack it


def test_process_that_is_no_child_is_called_main() -> None:
    assert billiard.current_process().name == "MainProcess"


def test_soft_time_limit_is_billiards() -> None:
    assert exceptions.SoftTimeLimitExceeded is SoftTimeLimitExceeded


def test_serializer_is_known_by_the_type_of_the_body() -> None:
    known: Any = attrgetter("registry")(serialization)  # its stubs lack it
    assert known.type_to_name["application/json"] == "json"


def test_exchange_of_messages_that_rabbitmq_holds_back_is_celerys() -> None:
    found = pytest.importorskip(
        "kombu.transport.native_delayed_delivery", reason="kombu 5.5 brought it"
    )
    assert found.CELERY_DELAYED_DELIVERY_EXCHANGE == "celery_delayed_delivery"
