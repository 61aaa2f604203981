"""Waits that are longer than a worker may hold a message are served in pieces, and nothing is lost."""

import json
import time
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import transaction
from django.test import override_settings

from tests.app.late_receivers import never_is_ready, runs_in_time, runs_late
from tests.app.models import Run
from tests.project.celery import app
from tests.support.processes import wait_until

from .crashes import release_messages_of
from .kept_workers import is_at_rest
from .nodes import Broker, needs_local_broker
from .queues import waiting
from .runs import assert_no_more_runs, defer, runs, wait_for_runs
from .workers import worker as own_worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    needs_local_broker,
]

PIECES = {"LONGEST_WAIT": 1}
KNOWS = {"TESTS_APP_MODULES": "tests.app.late_receivers tests.app.short_waits"}
KNOWS_NOT = {"TESTS_APP_MODULES": "tests.app.short_waits"}
CUT = {"DEFERRED_SIGNALS": json.dumps(PIECES)}
#: Redis gives a message out again that a worker holds for longer than that, or took with it.
RESTORES = {"TRANSPORT_OPTIONS": json.dumps({"visibility_timeout": 2})}
CAME = {
    "schema": "blue",
    "inner": "00-1-2-01",
    "priority": 3,
    "queue": "aside",
    "compression": "application/x-gzip",
    "limits": [30, 20],
}


#: Where there is an outbox, long waits are its own.
worker = partial(own_worker, options=("-Q", "celery,aside"), WITHOUT_OUTBOX="yes")


@pytest.mark.parametrize("node", ["redis"], indirect=True)
def test_wait_longer_than_redis_lets_messages_be_held_costs_the_attempts_that_it_should(
    broker: Broker, tmp_path: Path
) -> None:
    """The visibility timeout passes more than once in each wait."""
    with worker(broker, tmp_path, **RESTORES, **KNOWS) as own:
        message = defer(never_is_ready, after=4)
        wait_for_runs(1, timeout=25, receiver="failed")
        ran = assert_no_more_runs(4, seconds=4, receiver="never_is_ready")
        assert " waits on" in own.logs()
    assert [run.attempt for run in ran] == [1, 2, 3, 4]
    assert {run.message_id for run in ran} == {message}
    gaps = [later.at - run.at for run, later in pairwise(ran)]
    assert all(timedelta(seconds=4) <= gap < timedelta(seconds=5.5) for gap in gaps)
    assert [run.payload.pop("retries") for run in ran] == [0, 1, 2, 3]
    assert [run.payload for run in ran] == [CAME] * 4
    assert not waiting(app)
    assert not waiting(app, "aside")


def test_countdown_that_is_cut_ends_when_it_should_though_its_worker_is_killed(
    broker: Broker, tmp_path: Path
) -> None:
    with worker(broker, tmp_path, "first", **RESTORES, **KNOWS, **CUT) as first:
        with override_settings(DEFERRED_SIGNALS=PIECES):
            sent = time.time()
            message = defer(runs_late, seconds=5)
        wait_until(lambda: first.logs().count(" waits on") >= 2, 10, "two pieces are over")
        first.kill()
    release_messages_of(broker)
    with worker(broker, tmp_path, "second", **RESTORES, **KNOWS, **CUT):
        wait_for_runs(1, timeout=20)
        wait_until(lambda: is_at_rest(app, "celery@second"), 10, "nothing is left")
    # Doubled where the worker was killed after it had published a piece, and before it said so.
    assert 1 <= Run.objects.count() <= 2
    for ran in runs():
        assert (ran.receiver, ran.message_id, ran.attempt) == ("runs_late", message, 1)
        assert ran.at.timestamp() >= sent + 5
        assert ran.payload == {**CAME, "retries": 0}


def test_chunk_and_expiry_hold_through_the_pieces_of_a_wait(broker: Broker, tmp_path: Path) -> None:
    with worker(broker, tmp_path, **KNOWS, **CUT) as own:
        with override_settings(DEFERRED_SIGNALS=PIECES), transaction.atomic():
            sent = time.time()
            for within in (60, 60, 60, 2, 2, 2):
                defer(runs_in_time, seconds=3.5, within=within)
        ran = wait_for_runs(3, timeout=15)
        wait_until(lambda: "Discarding revoked task" in own.logs(), 5, "the others have expired")
        assert_no_more_runs(3)
        assert own.logs().count(" waits on") >= 3
    assert all(run.at.timestamp() >= sent + 3.5 for run in ran)
    assert len({run.message_id for run in ran}) == 3
    assert not waiting(app)


def test_message_that_was_parked_runs_as_it_came_and_when_it_should(
    broker: Broker, tmp_path: Path
) -> None:
    """The worker of before the deploy knows neither of the receivers; its parent parks them."""
    with worker(broker, tmp_path, "old", **RESTORES, **KNOWS_NOT, **CUT) as old:
        sent = time.time()
        late = defer(runs_late, seconds=6)
        prompt = defer(runs_late, seconds=0)
        doomed = defer(runs_in_time, seconds=0, within=1)
        wait_until(
            lambda: old.logs().count("is parked for") >= 4, 10, "they were parked, and again"
        )
        wait_until(lambda: time.time() > sent + 1.5, 5, "one has expired")
    release_messages_of(broker)
    with worker(broker, tmp_path, "new", **RESTORES, **KNOWS, **CUT):
        wait_for_runs(2, timeout=20, receiver="runs_late")
        ran = assert_no_more_runs(2, receiver="runs_late")
    at = {run.message_id: run.at.timestamp() for run in ran}
    assert at.keys() == {prompt, late}
    assert at[late] >= sent + 6
    assert [run.payload for run in ran] == [{**CAME, "retries": 0}] * 2
    assert not Run.objects.filter(message_id=doomed)
    assert not runs(receiver="failed")
