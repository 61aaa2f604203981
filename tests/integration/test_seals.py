"""Seals on a broker that goes away for a moment: the connection is made anew."""

from datetime import UTC, datetime

import pytest

from deferred_signals.message import Message
from deferred_signals.worker.seals import break_seal, put_seal
from tests.project.celery import app
from tests.support.processes import wait_until

from .nodes import needs_local_broker
from .queues import waiting
from .workers import published_to

SEAL = "deferred_signals.seal.5f1c.1"

pytestmark = needs_local_broker


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
        wait_until(works, 15, "seals work again")
        # It is on its way by one connection, and looked for by another.
        wait_until(lambda: waiting(app, SEAL) == 1, 15, "the seal is there")
        assert break_seal(message)
