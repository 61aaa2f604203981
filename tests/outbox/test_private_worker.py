"""What the worker's half uses of Django, Celery and kombu, and they do not document."""

from typing import Any

import pytest
from celery.worker import state
from celery.worker.request import Request
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from kombu import Connection

from deferred_signals.publishing.recorder import recorded
from tests.project.celery import app

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def another() -> BaseDatabaseWrapper:
    """Make one more connection to the default database."""
    known = connections["default"]
    return type(known)(dict(known.settings_dict), "default")


def test_second_connection_is_made_of_an_alias_settings() -> None:
    second = another()
    assert second.connection is None
    with second.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    assert second.is_usable()
    assert second not in connections.all()
    second.close()
    assert second.connection is None


def test_connection_is_shared_between_threads_where_that_is_allowed() -> None:
    assert not connection.allow_thread_sharing
    second = another()
    second.inc_thread_sharing()
    assert second.allow_thread_sharing


def test_block_that_ends_after_a_lost_session_has_a_new_connection() -> None:
    """So only the driver's own connection tells that a session was lost."""
    if connection.vendor == "sqlite":
        pytest.skip("a file has no session that could end")
    session = None
    with pytest.raises(Exception, match=r"."), transaction.atomic():
        session = connection.connection
        session.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert session is not None
    assert connection.connection is not session


def test_databases_tell_how_they_lock_rows() -> None:
    assert connection.features.has_select_for_update == (connection.vendor != "sqlite")
    assert isinstance(connection.features.has_select_for_update_skip_locked, bool)


def test_request_that_runs_is_active_and_knows_its_process() -> None:
    with app.connection_for_write() as opened:
        queue = opened.SimpleQueue("tests.private")
        app.send_task("deferred_signals.parked", args=("text",), queue="tests.private")
        message = queue.get_nowait()
        queue.close()
    request: Any = Request(message, app=app)
    assert getattr(request, "worker_pid", 0) is None
    assert request not in state.active_requests
    request.on_accepted(4711, 0.0)
    assert request in state.active_requests
    assert (getattr(request, "worker_pid", 0), list(request.args)) == (4711, ["text"])
    state.task_ready(request)
    assert request not in state.active_requests


def test_passive_declaration_tells_how_many_messages_are_ready() -> None:
    with Connection("memory://") as opened:
        channel: Any = opened.channel()
        with pytest.raises(opened.channel_errors) as caught:
            channel.queue_declare("tests.passive", passive=True)
        assert str(getattr(caught.value, "reply_code", "")) == "404"
        queue = opened.SimpleQueue("tests.passive")
        queue.put("text")
        assert channel.queue_declare("tests.passive", passive=True).message_count == 1
        queue.clear()
        assert channel.queue_declare("tests.passive", passive=True).message_count == 0
        queue.close()


def test_message_declares_the_queue_that_it_is_published_to() -> None:
    (found,) = recorded(
        app, lambda producer: app.send_task("tests.task", producer=producer), connect=False
    )
    (queue,) = found.declare
    assert (queue.name, queue.exchange.name, hasattr(queue, "bindings")) == (
        "celery",
        "celery",
        True,
    )
    assert found.exchange in {"", "celery"}
    assert not hasattr(queue.exchange, "bindings")
