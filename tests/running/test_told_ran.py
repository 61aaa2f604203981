"""`receiver_ran` tells how a run ended, while its context is still in force."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import translation

from deferred_signals import Discard, Retry
from deferred_signals.context import Carrier
from deferred_signals.events import receiver_ran
from tests.support.lifecycle import Lifecycle
from tests.support.messages import MakeMessage, execute

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("error", "options", "outcome"),
    [
        (None, {}, "succeeded"),
        (LookupError("swordfish"), {"retry": Retry(max_attempts=2)}, "retrying"),
        (LookupError("swordfish"), {"retry": None}, "failed"),
        (Discard("too late"), {}, "discarded"),
    ],
)
def test_end_of_a_run_is_told_with_its_outcome(
    error: Exception | None,
    options: dict[str, Any],
    outcome: str,
    make_message: MakeMessage,
    lifecycle: Lifecycle,
) -> None:
    def receive(sender: object, **kwargs: object) -> None:
        if error is not None:
            raise error

    message = make_message(receive, **options)
    execute(message)
    assert [name for name, _ in lifecycle.seen] == ["receiver_started", "receiver_ran"]
    (told,) = lifecycle.of("receiver_ran")
    assert told["sender"] == message.receiver
    assert told["message"] is message
    assert told["outcome"] == outcome
    assert told["exception"] is (error if isinstance(error, LookupError) else None)
    assert 0 <= told["duration"] < 60


def test_run_that_did_not_begin_has_not_ended(
    make_message: MakeMessage, lifecycle: Lifecycle
) -> None:
    message = make_message(lambda sender, **kwargs: None, kwargs={"x": {"$class": "gone.Thing"}})
    execute(message)
    assert lifecycle.of("receiver_started") == lifecycle.of("receiver_ran") == []


def test_context_is_in_force_when_the_end_is_told(make_message: MakeMessage) -> None:
    languages = []

    def note(**kwargs: object) -> None:
        languages.append(translation.get_language())

    receiver_ran.connect(note)
    try:
        message = make_message(lambda sender, **kwargs: None)
        message.context["language"] = "de"
        execute(message)
    finally:
        receiver_ran.disconnect(note)
    assert languages == ["de"]


restored: list[Any] = []


class Always(Carrier):
    """Does something around each run."""

    key = "always"
    always = True

    def take(self) -> None:
        """Take nothing."""

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        restored.append(value)
        yield


@pytest.mark.parametrize("context", [{}, {"always": "here"}])
def test_carrier_that_is_always_asked_is_asked_for_a_message_without_its_value(
    context: dict[str, Any], make_message: MakeMessage, configure: Callable[..., None]
) -> None:
    configure(CONTEXT=["tests.running.test_told_ran.Always"])
    restored.clear()
    message = make_message(lambda sender, **kwargs: None)
    message.context.update(context)
    execute(message)
    assert restored == [context.get("always")]
