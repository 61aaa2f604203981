"""`message_kept` tells of a message that waits in memory, and the signal after it says so."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import transaction

from deferred_signals.message.outgoing import Outgoing
from deferred_signals.message.wire import pack
from deferred_signals.publishing.lines import drop_kept
from deferred_signals.publishing.parcels import Parcel, parcels
from deferred_signals.publishing.recording import Recording, Told
from deferred_signals.publishing.reports import announce
from tests.project.celery import app
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.lifecycle import Lifecycle
from tests.support.messages import MakeMessage
from tests.support.numbers import Numbers
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def names(lifecycle: Lifecycle) -> list[str]:
    return [name for name, _ in lifecycle.seen]


@pytest.mark.usefixtures("no_store")
def test_message_that_waits_in_memory_is_told_of_until_it_is_given_up(
    make_current: MakeCurrent,
    configure: Callable[..., Any],
    numbers: Numbers,
    lifecycle: Lifecycle,
) -> None:
    configure(KEEP_FOR=60, PUBLISH_TIMEOUT=0.05)
    make_current(broker_url="amqp://127.0.0.1:1//", broker_connection_timeout=1)
    with transaction.atomic():
        numbers.send(1, 2)
    kept = lifecycle.of("message_kept")
    assert [told["message"].kwargs["number"] for told in kept] == [1, 2]
    assert kept[0]["sender"] == kept[0]["message"].receiver
    assert "publish_failed" not in names(lifecycle)
    drop_kept(tell=True)
    wait_until(lambda: "publish_failed" in names(lifecycle), 10, "they are given up")
    (failed,) = lifecycle.of("publish_failed")
    assert ([one.kwargs["number"] for one in failed["messages"]], failed["was_kept"]) == (
        [1, 2],
        True,
    )


@pytest.mark.usefixtures("broker_away")
def test_message_that_may_not_wait_was_not_kept(numbers: Numbers, lifecycle: Lifecycle) -> None:
    numbers.send(1)
    assert [told["was_kept"] for told in lifecycle.of("publish_failed")] == [False]
    assert lifecycle.of("message_kept") == []


def test_message_that_leaves_at_once_was_not_kept(numbers: Numbers, lifecycle: Lifecycle) -> None:
    numbers.send(1)
    (published,) = lifecycle.of("message_published")
    assert published["was_kept"] is False
    assert 0 <= published["took"] < 60


def test_message_that_leaves_late_was_kept(
    make_message: MakeMessage, broker: Broker, lifecycle: Lifecycle
) -> None:
    message = make_message(lambda sender, **kwargs: None)
    batch = parcels([Outgoing(message, pack(message), {})])
    told: list[Told] = []

    def published(found: Sequence[Parcel], how: Told) -> None:
        told.append(how)
        announce([one for parcel in found for one in parcel.outgoings], **how._asdict())

    recording = Recording(app, batch, published, lambda *_: None)
    assert (recording.kept({}), recording.kept({0: None})) == (batch, [])
    recording.tell_late({0: None})
    (sent,) = lifecycle.of("message_published")
    assert (sent["message"], sent["was_kept"]) == (message, True)
    assert 0 <= sent["took"] == told[0].took < 60
