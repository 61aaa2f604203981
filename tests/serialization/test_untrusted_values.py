"""Values that an attacker puts into a sound message: the attempt fails at once, or they are left out."""

import sys
from typing import Any

import pytest

from deferred_signals import DecodeError
from deferred_signals.message.wire import unpack
from deferred_signals.running.outcomes import Failed, Succeeded
from deferred_signals.support.zones import known_zones
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.messages import execute
from tests.support.payloads import payload_of
from tests.support.recorder import Recorder, listen


@pytest.mark.parametrize(
    "context",
    [
        {"language": "antigravity"},
        {"language": ["de"]},
        {"language": 7},
        {"language": "x" * 10_000},
        {"time_zone": "antigravity/fly"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": 1e300},
        {"time_zone": [1]},
        {"unknown": "carrier"},
    ],
    ids=lambda context: str(context)[:40],
)
def test_hostile_context_is_left_out_and_imports_nothing(
    context: dict[str, Any], signal: Any, defer: Connected
) -> None:
    recorder = listen(defer, signal, name="tests.support.recorder")
    message = unpack(payload_of(receiver="tests.support.recorder", signal="#0", context=context))
    known_zones()  # Which zones there are is looked up once a process, in tzdata's package, too.
    before = {name for name in sys.modules if "tzdata" in name or "antigravity" in name}
    assert isinstance(execute(message), Succeeded)
    assert {name for name in sys.modules if "tzdata" in name or "antigravity" in name} == before
    assert len(recorder.calls) == 1


@pytest.mark.parametrize(
    "form",
    [
        {"$request": 3},
        {"$request": {"path": 1}},
        {"$file": [None, "document", "x"]},
        {"$file": [{"$row": ["tests_app.Line", "unsaved", None, {}]}, "nothing", "x"]},
        {"$file": [{"$row": ["tests_app.Line", "unsaved", None, {}]}, "order", "x"]},
        {"$carrying": [3, {"a": 1}]},
        {"$carrying": [{"$row": ["tests_app.Line", "unsaved", None, {}]}, 3]},
        {"$row": ["tests_app.Line", "unsaved", None, 3]},
        {"$row": ["tests_app.Line", "imagined", None, {}]},
        {"$row": ["tests_app.Line", "unsaved", "nowhere", {}]},
        {"$rows": ["tests_app.Ticket", ["x"], "default"]},
        {"$rows": ["tests_app.Ticket", 7, "default"]},
        {"$rows": ["tests_app.Ticket", [], "nowhere"]},
    ],
    ids=lambda form: str(form)[:90],
)
def test_malformed_kwarg_fails_at_once_and_is_not_tried_again(
    form: Any, signal: Any, defer: Connected
) -> None:
    listen(defer, signal, name="tests.support.recorder")
    message = unpack(payload_of(receiver="tests.support.recorder", signal="#0", kwargs={"a": form}))
    outcome = execute(message)
    assert isinstance(outcome, Failed), outcome
    assert isinstance(outcome.exception, DecodeError), repr(outcome.exception)


@pytest.mark.django_db
def test_reference_whose_key_cannot_be_one_fails_at_once(signal: Any, defer: Connected) -> None:
    listen(defer, signal, name="tests.support.recorder")
    for model, key in (("Order", "x"), ("Order", {"$tuple": [1]}), ("Ticket", "x"), ("Seat", 1)):
        form = {"$ref": [f"tests_app.{model}", key, "default"]}
        message = unpack(
            payload_of(receiver="tests.support.recorder", signal="#0", kwargs={"a": form})
        )
        assert isinstance(execute(message), Failed), (model, key)


def test_kwargs_that_are_no_arguments_of_a_receiver_do_not_reach_its_call(
    signal: Any, defer: Connected, lifecycle: Lifecycle
) -> None:
    recorder: Recorder = listen(defer, signal, name="tests.support.recorder", retry=None)
    kwargs = {"signal": 1, "sender": 2, "fine": 3}
    message = unpack(payload_of(receiver="tests.support.recorder", signal="#0", kwargs=kwargs))
    assert isinstance(execute(message), Succeeded)
    assert recorder["signal"] is signal
    assert recorder["sender"] is None
    assert recorder["fine"] == 3


def test_attempt_beyond_all_numbers_is_given_up(signal: Any, defer: Connected) -> None:
    @defer(signal, name="tests.fails")
    def fail(sender: object, **kwargs: object) -> None:
        raise LookupError

    message = unpack(payload_of(receiver="tests.fails", signal="#0", attempt=2**31 - 1))
    assert isinstance(execute(message), Failed)
