"""What a receiver sends while it runs on a real worker: the same as by `apply_async` in its place."""

from pathlib import Path

import pytest

from tests.app import relays

from .comparison import assert_same
from .conftest import DOCKER
from .helpers import defer
from .own_worker import published_to, worker
from .wiretaps import RabbitMQTap

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(DOCKER, reason="this test starts its own local broker"),
]


@pytest.mark.parametrize("node", ["rabbitmq_node"], ids=["rabbitmq"])
def test_receiver_that_runs_is_the_parent_of_what_it_sends(
    node: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    broker = request.getfixturevalue(node)
    with (
        published_to(broker),
        worker(broker, tmp_path, TESTS_APP_MODULES="tests.app.relays"),
    ):
        parent = defer(relays.relay)
        tap = RabbitMQTap(broker.host_url)
        found = tap.take(6, [relays.QUEUE])
        tap.close([relays.QUEUE])
    ours, by_hand = found[:3], found[3:]
    assert_same({raw.id: raw for raw in ours}, {raw.id: raw for raw in by_hand})
    assert {(raw["root_id"], raw["parent_id"]) for raw in ours} == {(parent, parent)}
