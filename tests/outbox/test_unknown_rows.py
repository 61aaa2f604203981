"""Rows whose receivers no process knows that meets them: they are set on soon, and no run of them counts."""

from collections.abc import Callable

import pytest

from deferred_signals.outbox.relay import Relay
from deferred_signals.running.outcomes import Failed
from tests.support.lifecycle import Lifecycle

from .rows import Kept, seconds, until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def relay(kept: Kept) -> Relay:
    return Relay(kept.store)


def test_row_that_was_woken_up_in_vain_is_set_on_soon(kept: Kept, relay: Relay) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.change(wake_up, woken_at=seconds(-70), due_at=seconds(-10))
    kept.forget()
    relay.look(for_lost=True)
    row = kept.row(wake_up)
    assert row.woken_at is None
    assert 0 < until(row.due_at) <= 5
    assert row.error.startswith("Unknown since ")


def test_dead_letter_that_was_never_run_has_no_attempt(
    kept: Kept, configure: Callable[..., None]
) -> None:
    configure(UNKNOWN_GRACE=60)
    kept.connect()
    wake_up = kept.send()
    kept.forget()
    kept.change(wake_up, error="Unknown since 1000000000. It is gone.")
    assert isinstance(kept.run(wake_up), Failed)
    row = kept.row(wake_up)
    assert row.dead_at is not None
    assert row.attempt == 0


def test_dead_row_that_nobody_can_read_is_told(
    kept: Kept, relay: Relay, lifecycle: Lifecycle
) -> None:
    kept.connect()
    wake_up = kept.send()
    kept.forget()
    kept.change(
        wake_up,
        payload="{",
        error="Unknown since 1000000000. It is gone.",
        woken_at=None,
        due_at=seconds(-10),
    )
    relay.look(for_lost=False)
    assert kept.row(wake_up).dead_at is not None
    (told,) = lifecycle.of("receiver_failed")
    assert told["message"] is None
    assert told["reason"] == "the payload is malformed"
