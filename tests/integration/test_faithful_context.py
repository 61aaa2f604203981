"""Messages tell where they were sent: in which task, thread, app and trace.

None of it may be kept from one commit to the next.
"""

import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from celery import Celery, Task, current_task, signals
from django.db import connections

from .comparison import OTHER, QUEUE, Comparison
from .raw_messages import Raw

# They write no row: with no app but ours there is no table to empty after each.
pytestmark = pytest.mark.django_db(transaction=True, available_apps=["deferred_signals"])


def inside_a_task(app: Celery, do: Callable[[], list[Raw]], **options: Any) -> list[Raw]:
    """Return what a function returns that is called by a running task."""
    returned = []

    @app.task(name="faithful.outer", bind=True, shared=False)
    def outer(task: Any) -> None:
        task.request.update(root_id="the root", parent_id="the grandparent")
        returned.extend(do())

    outer.apply(task_id="the parent", throw=True, **options)
    return returned


def family(raw: Raw) -> tuple[Any, Any]:
    return raw["root_id"], raw["parent_id"]


def test_running_task_is_the_parent_of_what_it_sends_and_of_nothing_else(
    comparison: Comparison,
) -> None:
    app = comparison.app()
    comparison.connect()
    before = comparison.compare()
    inside = inside_a_task(app, comparison.compare)
    after = comparison.compare()
    assert [family(raw) for raw in before + after] == [(raw.id, None) for raw in before + after]
    assert [family(raw) for raw in inside] == [("the root", "the parent")] * 3


def test_running_task_knows_its_children(comparison: Comparison) -> None:
    app = comparison.app()
    comparison.connect()

    @app.task(shared=False)
    def outer() -> tuple[list[str], list[str]]:
        messages = comparison.send(1, 2, 3)
        children: Any = current_task.request.children
        return [message.id for message in messages], [child.id for child in children]

    sent, children = outer.apply(throw=True).get()
    assert sent == children


def test_priority_of_the_running_task_is_inherited_where_celery_is_told_so(
    comparison: Comparison,
) -> None:
    app = comparison.app(task_inherit_parent_priority=True)
    comparison.connect()
    inside = inside_a_task(app, comparison.compare, priority=6)
    outside = comparison.compare()
    assert [raw["priority"] for raw in inside + outside] == [6] * 3 + [0] * 3


def test_receivers_own_priority_is_not_inherited(comparison: Comparison) -> None:
    app = comparison.app(task_inherit_parent_priority=True)
    comparison.connect(priority=2)
    inside = inside_a_task(app, comparison.compare, priority=6)
    assert [raw["priority"] for raw in inside] == [2] * 3


def test_stamped_task_sends_as_by_apply_async(comparison: Comparison) -> None:
    app = comparison.app()
    comparison.connect()
    stamps = {"stamped_headers": ["tenant"], "tenant": "blue"}
    inside_a_task(app, comparison.compare, headers={"own": 1}, **stamps)
    comparison.compare()


def test_replies_go_to_the_thread_that_sent(comparison: Comparison) -> None:
    app = comparison.app()
    comparison.connect()
    found = [comparison.compare()]

    def in_a_thread() -> None:
        app.set_current()
        try:
            found.append(comparison.compare())
        finally:
            connections.close_all()

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    found.append(comparison.compare())
    here, there, again = [{raw["reply_to"] for raw in of_commit} for of_commit in found]
    assert here == again
    assert len(here) == len(there) == 1
    assert here != there


def test_message_is_made_by_the_app_that_is_current_at_the_commit(comparison: Comparison) -> None:
    one = comparison.app()
    two = comparison.app(task_routes={"*": {"queue": OTHER, "priority": 2}})
    comparison.connect()
    places = []
    for app in (one, two, one):
        app.set_current()
        places.append([raw["place"].partition("\x06")[0] for raw in comparison.compare()])
    assert places == [[QUEUE] * 3, [OTHER] * 3, [QUEUE] * 3]


def test_change_of_the_routes_is_seen_by_the_next_commit(comparison: Comparison) -> None:
    app = comparison.app()
    comparison.connect()
    comparison.compare()
    app.conf.task_routes = {"faithful.*": {"queue": OTHER}}
    app.amqp.flush_routes()
    app.amqp.router = app.amqp.Router()  # type: ignore[misc]
    assert [raw["place"] for raw in comparison.compare()] == [OTHER] * 3


class Tracer:
    """Puts the trace of the moment into what is published, by one of the ways that tracers take."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trace = "none"
        self._monkeypatch = monkeypatch

    def patch(self, owner: type, name: str) -> None:
        """Stand in front of a method, as Sentry does."""
        original = getattr(owner, name)

        @wraps(original)
        def traced(*args: Any, **options: Any) -> Any:
            options["headers"] = {**(options.get("headers") or {}), "trace": self.trace}
            return original(*args, **options)

        self._monkeypatch.setattr(owner, name, traced)

    def listen(self, headers: dict[str, Any], **_: object) -> None:
        """Hear of each message, as the others do."""
        headers["trace"] = self.trace


@pytest.fixture(params=["apply_async", "send_task", "before_task_publish"])
def tracer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracer]:
    tracer = Tracer(monkeypatch)
    if request.param == "apply_async":
        tracer.patch(Task, "apply_async")
    elif request.param == "send_task":
        tracer.patch(Celery, "send_task")
    else:
        signals.before_task_publish.connect(tracer.listen)
    yield tracer
    signals.before_task_publish.disconnect(tracer.listen)


def test_each_commit_is_published_in_its_own_trace(comparison: Comparison, tracer: Tracer) -> None:
    comparison.app()
    comparison.connect()
    for trace in ("the first request's", "the second request's"):
        tracer.trace = trace
        assert [raw["trace"] for raw in comparison.compare()] == [trace] * 3


def test_tracer_that_came_and_went_leaves_nothing(
    comparison: Comparison, request: pytest.FixtureRequest
) -> None:
    comparison.app()
    comparison.connect()
    comparison.compare()
    with pytest.MonkeyPatch.context() as monkeypatch:
        tracer = Tracer(monkeypatch)
        tracer.patch(Task, "apply_async")
        tracer.trace = "late"
        assert [raw["trace"] for raw in comparison.compare()] == ["late"] * 3
    for raw in comparison.compare():
        assert not any(path.endswith("trace") for path in raw.fields)


def test_copies_are_among_what_is_compared(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = Task.apply_async

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        made.append(options["task_id"])
        return original(self, *args, **options)

    monkeypatch.setattr(Task, "apply_async", counted)
    comparison.app()
    comparison.connect()
    first, *_ = [raw.id for raw in comparison.compare()]
    assert made[0] == first
    assert len(made) == 1 + 3  # by us, then by hand
