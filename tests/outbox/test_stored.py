"""Rows that an earlier release has written are run, shown and replayed by this one.

`stored/rows_v1.json` is what the first release writes. Do not change it: rows of projects look like that.
"""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from deferred_signals import Retry
from deferred_signals.message.wakeup import WakeUp
from deferred_signals.outbox import Selection, replay, show
from deferred_signals.outbox.models import OutboxMessage
from deferred_signals.outbox.relay import Relay
from deferred_signals.running.outcomes import Succeeded

from .rows import Kept

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

STORED = json.loads(Path(__file__).with_name("stored").joinpath("rows_v1.json").read_text())


@pytest.fixture(autouse=True)
def stored(kept: Kept) -> None:
    kept.connect(name="tests.stored", retry=Retry(max_attempts=5))
    now = timezone.now()
    for columns in STORED:
        values: dict[str, Any] = dict(columns)
        is_dead = values.pop("dead", False)
        times = {"dead_at": now} if is_dead else {"due_at": now - timedelta(seconds=1)}
        OutboxMessage.objects.create(created_at=now, **times, **values)


def run(kept: Kept, place: int, attempt: int) -> Any:
    return kept.run(WakeUp("default", STORED[place]["id"], attempt, 1.0))


def test_rows_are_woken_up_and_run_with_what_they_carry(kept: Kept) -> None:
    assert Relay(kept.store).look(for_lost=True).woken == 2
    assert isinstance(run(kept, 0, 0), Succeeded)
    assert isinstance(run(kept, 1, 1), Succeeded)
    got = [
        {name: call[name] for name in ("number", "when") if name in call}
        for call in kept.function.runs
    ]
    assert got == [{"number": 1, "when": date(2026, 1, 31)}, {"number": 2}]


def test_dead_letter_is_shown_and_replayed(kept: Kept) -> None:
    found = show(STORED[2]["id"])
    assert found is not None
    assert (found.state, found.described) == ("dead", "tests.stored(number)")
    assert replay(Selection(error="TimeoutError")) == 1
    assert isinstance(run(kept, 2, 0), Succeeded)
