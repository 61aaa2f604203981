"""How an order stands, as the page of the demo says it."""

import pytest

from demo_site.live.scenes import scenes
from demo_site.shop.timeline import Moment


def state(*kinds: str) -> str:
    """Return the word for an order whose only message had these kinds of moments."""
    moments = [
        Moment(float(at), "site", 1, "", kind=kind, order="order", message="message")
        for at, kind in enumerate(kinds)
    ]
    (scene,) = scenes(moments, {})
    return scene.state[0]


@pytest.mark.parametrize(
    ("kinds", "word"),
    [
        (("defer",), "waiting"),
        (("defer", "publish"), "on its way"),
        (("defer", "publish", "start", "success"), "done"),
        # The site's thread tells it late, as it waits for the broker's confirmation.
        (("defer", "start", "success", "publish"), "done"),
        (("defer", "start", "publish", "success"), "done"),
        (("defer", "start", "success", "lost"), "done"),
        (("defer", "start", "success", "outbox"), "done"),
        (("defer", "publish", "start", "retry"), "on its way"),
        (("defer", "publish", "start", "retry", "relay"), "on its way"),
        (("defer", "publish", "start", "dead"), "dead letter"),
        (("defer", "start", "dead", "publish"), "dead letter"),
        (("defer", "publish", "start", "dead", "start"), "on its way"),
        (("defer", "publish", "start", "dead", "start", "success"), "done"),
        (("defer", "kept"), "on its way"),
        (("defer", "kept", "lost"), "lost"),
        (("rollback",), "rolled back"),
    ],
)
def test_order_stands_where_its_message_does(kinds: tuple[str, ...], word: str) -> None:
    assert state(*kinds) == word


def test_order_is_done_when_all_its_messages_are() -> None:
    def moments(*told: tuple[str, str]) -> list[Moment]:
        return [
            Moment(float(at), "site", 1, "", kind=kind, order="order", message=message)
            for at, (message, kind) in enumerate(told)
        ]

    told = [("receipt", "success"), ("index", "start"), ("index", "success")]
    assert scenes(moments(*told[:2]), {})[0].state[0] == "on its way"
    assert scenes(moments(*told), {})[0].state[0] == "done"
