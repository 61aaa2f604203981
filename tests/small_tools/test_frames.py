"""Error trackers send the locals of frames: the library's frames hold none after a failed attempt."""

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from deferred_signals import DecodeError, Retry
from deferred_signals.running.outcomes import Failed, Retrying
from deferred_signals.support.frames import forget_values
from tests.support.messages import MakeMessage, execute


def frames_of(error: BaseException | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the module and the locals of each frame of an exception and of its causes."""
    if error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame.f_globals["__name__"], frame.f_locals
        yield from frames_of(error.__cause__ or error.__context__)
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from frames_of(inner)


def ours(error: BaseException) -> list[dict[str, Any]]:
    return [held for name, held in frames_of(error) if name.startswith("deferred_signals.")]


def plain(sender: object, card: str, **kwargs: object) -> None:
    raise LookupError


def chained(sender: object, card: str, **kwargs: object) -> None:
    try:
        plain(sender, card)
    except LookupError as error:
        raise OSError from error


def grouped(sender: object, card: str, **kwargs: object) -> None:
    try:
        plain(sender, card)
    except LookupError as error:
        raise ExceptionGroup("several", [error, error]) from None


async def awaited(sender: object, card: str, **kwargs: object) -> None:
    raise LookupError


@pytest.mark.parametrize("receive", [plain, chained, grouped, awaited])
@pytest.mark.parametrize("retry", [None, Retry()])
def test_frames_of_a_failed_attempt_hold_no_values_but_the_receivers_own(
    make_message: MakeMessage, receive: Any, retry: Retry | None
) -> None:
    outcome = execute(make_message(receive, retry=retry))
    assert isinstance(outcome, (Failed, Retrying))
    found = ours(outcome.exception)
    assert found
    assert not any(found)
    assert any(held.get("card") == "swordfish" for _, held in frames_of(outcome.exception))


def test_frames_of_a_value_that_cannot_be_decoded_hold_none(make_message: MakeMessage) -> None:
    outcome = execute(make_message(plain, kwargs={"card": {"$swordfish": 1}}))
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.exception, DecodeError)
    found = ours(outcome.exception)
    assert found
    assert not any(found)


def test_frame_that_still_runs_is_left_alone() -> None:
    value = "kept"
    try:
        raise LookupError
    except LookupError as error:
        error.__context__ = error  # as no interpreter makes it
        forget_values(error)
    assert value == "kept"


def test_traceback_still_shows_where(make_message: MakeMessage) -> None:
    outcome = execute(make_message(plain))
    assert isinstance(outcome, Retrying)
    names = [frame.name for frame in traceback.extract_tb(outcome.exception.__traceback__)]
    assert names[-2:] == ["run", "plain"]
