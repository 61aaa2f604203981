"""Seals on a broker that goes away for a moment: the connection is made anew."""

from datetime import UTC, datetime

import pytest

from deferred_signals.message import Message
from deferred_signals.running.seals import break_seal, put_seal

from .conftest import DOCKER
from .own_worker import published_to
from .processes import wait_until

pytestmark = pytest.mark.skipif(DOCKER, reason="this test starts its own local broker")


@pytest.mark.parametrize(
    "node",
    [
        pytest.param(f"{name}_node", id=name, marks=pytest.mark.xdist_group(name))
        for name in ("redis", "rabbitmq")
    ],
)
def test_seal_can_be_broken_again_after_the_broker_restarted(
    node: str, request: pytest.FixtureRequest
) -> None:
    message = Message(
        id="5f1c", receiver="tests.nobody", signal="", sender=None, kwargs={}, using="default",
        sent_at=datetime.now(UTC), redeliveries=1,
    )  # fmt: skip
    broker = request.getfixturevalue(node)

    def works() -> bool:
        try:
            break_seal(message)
            put_seal(message)
        except Exception:  # noqa: BLE001 - whatever it is, it must pass
            return False
        return True

    with published_to(broker):
        assert works()
        broker.process.kill()
        broker.process.start(60)
        wait_until(works, 5, "seals work again")
        assert break_seal(message)
