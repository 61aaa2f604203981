"""The breaker: when a broker that fails is tried again."""

from typing import Any

from deferred_signals.conf import Settings
from deferred_signals.publishing.breaker import Breaker, settings


def test_breaker_that_cools_down_is_due_after_a_while(configure: Any) -> None:
    breaker = Breaker()
    due = [breaker.is_due]
    for seconds in (60, 1e-9):
        configure(BREAKER_COOLDOWN=seconds)
        breaker.cool_down()
        due.append(breaker.is_due)
    assert due == [True, False, True]


def test_second_failure_in_a_row_in_which_nothing_could_be_written_is_told() -> None:
    breaker = Breaker()
    assert [breaker.fails_again(begun=begun) for begun in (False, False)] == [False, True]
    breaker.has_written()
    assert not breaker.fails_again(begun=False)
    assert not breaker.fails_again(begun=True)
    assert not breaker.fails_again(begun=False)


def test_wrong_settings_are_taken_for_the_usual_ones(configure: Any) -> None:
    configure(PUBLISH_TIMEOUT="soon")
    assert settings() == Settings()
