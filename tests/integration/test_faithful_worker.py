"""What a receiver sends while it runs on a real worker: the same as by `apply_async` in its place."""

from pathlib import Path

import pytest

from tests.app import sending_receivers

from .comparison import assert_same
from .nodes import needs_local_broker
from .raw_messages import RabbitMQTap
from .runs import defer
from .workers import published_to, worker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    needs_local_broker,
]


@pytest.mark.parametrize("node", ["rabbitmq_node"], ids=["rabbitmq"])
def test_receiver_that_runs_is_the_parent_of_what_it_sends(
    node: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    broker = request.getfixturevalue(node)
    with (
        published_to(broker),
        worker(broker, tmp_path, TESTS_APP_MODULES="tests.app.sending_receivers"),
    ):
        parent = defer(sending_receivers.relay)
        tap = RabbitMQTap(broker.host_url)
        found = tap.take(6, [sending_receivers.QUEUE])
        tap.close([sending_receivers.QUEUE])
    ours, by_hand = found[:3], found[3:]
    assert_same({raw.id: raw for raw in ours}, {raw.id: raw for raw in by_hand})
    assert {(raw["root_id"], raw["parent_id"]) for raw in ours} == {(parent, parent)}
