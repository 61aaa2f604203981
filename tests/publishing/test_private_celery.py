"""What publishing reads of Celery, which Celery does not document.

CONTRIBUTING.md names the files that rely on each fact.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import pytest
from celery import Celery, Task, current_app, signals
from celery.app.amqp import AMQP
from celery.app.routes import MapRoute
from celery.backends.base import DisabledBackend
from celery.backends.redis import RedisBackend
from celery.backends.rpc import RPCBackend
from celery.result import AsyncResult
from kombu import Producer

# these are pinned here


@contextmanager
def made(**configuration: Any) -> Iterator[Celery]:
    """Make an app that is current for nobody."""
    app = Celery("pinned", set_as_current=False, broker="memory://")
    app.conf.update(configuration)
    yield app
    app.close()


def run(*payloads: str) -> None:
    """Be a task."""


class Keeping(Producer):
    """Keeps what it is told to publish."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection, auto_declare=False)
        self.kept: list[tuple[Any, dict[str, Any]]] = []

    def publish(self, body: Any, **arguments: Any) -> None:  # type: ignore[override]
        self.kept.append((body, arguments))


def test_apply_async_hands_its_message_to_the_producer_that_it_is_given() -> None:
    with made() as app:
        task: Any = app.task(name="pinned.task", shared=False, ignore_result=True)(run)
        producer = Keeping(app.connection_for_write())
        task.apply_async(
            ("text",), task_id="7", producer=producer, argsrepr="(shown)", kwargsrepr="{}"
        )
        ((body, arguments),) = producer.kept
        args, kwargs, _embed = body
        assert (args, kwargs) == (("text",), {})
        headers = arguments["headers"]
        assert (headers["id"], headers["root_id"], headers["argsrepr"]) == ("7", "7", "(shown)")
        assert headers["eta"] is headers["expires"] is None
        assert arguments["correlation_id"] == "7"
        assert arguments["reply_to"] == app.thread_oid
        assert [queue.name for queue in arguments["declare"]] == ["celery"]


def test_route_of_a_mapping_is_told_from_one_that_is_called() -> None:
    with made(task_routes={"pinned.*": "audit"}) as app:
        assert [type(route) for route in app.amqp.router.routes] == [MapRoute]  # type: ignore[attr-defined]  # its stubs lack them
        assert type(app.amqp) is AMQP
    with made(task_routes=[lambda *_args, **_kwargs: None]) as app:
        assert [type(route) for route in app.amqp.router.routes] != [MapRoute]  # type: ignore[attr-defined]  # its stubs lack them


def test_signal_lists_its_listeners() -> None:
    def listen(**kwargs: Any) -> None: ...

    for signal in (signals.before_task_publish, signals.after_task_publish, signals.task_sent):
        before = len(signal.receivers)
        signal.connect(listen)
        assert len(signal.receivers) == before + 1
        signal.disconnect(listen)
        assert len(signal.receivers) == before
        assert type(signal).__module__.startswith("celery.")


def test_task_that_runs_is_the_apps_current_one() -> None:
    seen: list[Any] = []
    with made() as app:

        def look() -> None:
            seen.append(app.current_worker_task)

        task: Any = app.task(name="pinned.task", shared=False)(look)
        assert app.current_worker_task is None
        task.apply()
        assert [found.name for found in seen] == ["pinned.task"]


def test_method_that_nobody_patched_is_a_function_of_its_module() -> None:
    methods = [
        (vars(Task)["apply_async"], "celery.app.task"),
        (vars(Celery)["send_task"], "celery.app.base"),
        (vars(Producer)["publish"], "kombu.messaging"),
    ]
    for method, module in methods:
        assert type(method) is FunctionType
        assert method.__globals__ is vars(sys.modules[module])
    assert {"apply_async", "shadow_name"} <= vars(Task).keys()


def test_first_map_of_the_settings_is_what_code_set() -> None:
    with made() as app:
        settings: Any = app.conf
        settings.task_always_eager = True
        assert settings.maps[0]["task_always_eager"] is True
        assert settings.broker_write_url == "memory://"


def test_app_that_celery_makes_by_itself_is_called_default() -> None:
    script = "from celery import current_app; print(current_app.main)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "default"


def test_tasks_of_a_worker_are_imported_by_the_loader() -> None:
    loader: Any = current_app.loader
    assert callable(loader.import_default_modules)


def test_quorum_queue_is_detected() -> None:
    found = pytest.importorskip("celery.utils.quorum_queues", reason="Celery 5.5 brought it")
    arguments = {"queue_arguments": {"x-queue-type": "quorum"}}
    with made(task_queues={"audit": arguments}) as app:
        assert found.detect_quorum_queues(app, "amqp") == (True, "audit")
        assert not found.detect_quorum_queues(app, "redis")[0]


def test_base_of_tasks_is_found_by_its_path() -> None:
    base: type = Task
    assert (base.__module__, base.__name__) == ("celery.app.task", "Task")


def test_backends_prepare_for_results_in_methods_of_their_own() -> None:
    for backend in (DisabledBackend, RedisBackend, RPCBackend):
        owner = next(cls for cls in backend.__mro__ if "on_task_call" in vars(cls))
        assert backend.on_task_call.__module__ == owner.__module__
    assert DisabledBackend.on_task_call.__module__ == "celery.backends.base"
    assert RedisBackend.on_task_call.__module__ == "celery.backends.redis"
    assert RPCBackend.on_task_call.__module__ == "celery.backends.rpc"


def test_redis_backend_subscribes_to_a_result_when_somebody_waits() -> None:
    with made() as app:
        backend: Any = RedisBackend(app=app, url="redis://127.0.0.1:1")
        subscribed: list[str] = []
        backend.result_consumer.consume_from = subscribed.append
        backend.add_pending_result(AsyncResult("7", backend=backend, app=app))
        assert subscribed == ["7"]


def test_rpc_backend_names_the_queue_of_results() -> None:
    with made() as app:
        backend: Any = RPCBackend(app=app)
        assert backend.binding.name == app.thread_oid


def test_option_ignore_result_is_a_header() -> None:
    with made() as app:
        task: Any = app.task(name="pinned.results", shared=False, ignore_result=False)(run)
        producer = Keeping(app.connection_for_write())
        task.apply_async(("text",), producer=producer, ignore_result=True)
        assert producer.kept[0][1]["headers"]["ignore_result"] is True
