"""Copies of a recorded message are what `apply_async` makes, in whatever form they go out.

Where a transport can batch, kombu writes the first message of a task, and its copies are filled in
by us: names that would break a template, keys that the client changes, and the order of all.
"""

import kombu
import pytest
import redis
from kombu import Exchange, Queue

from .comparison import OTHER, QUEUE, Comparison

pytestmark = pytest.mark.django_db(transaction=True, available_apps=["deferred_signals"])

on_redis = pytest.mark.parametrize(
    "celery_broker", ["celery_redis_broker"], ids=["redis"], indirect=True
)
#: What JSON escapes, what the `%` operator reads, and what is not ASCII.
ODD = '100 % "of" %(body)s \\ naïve'


def test_odd_names_arrive_as_they_are(comparison: Comparison) -> None:
    comparison.queues.append(ODD)
    comparison.app()
    comparison.connect(
        {"queue": ODD}, queue=ODD, capture=lambda sender, **kwargs: {ODD: 1, "other": 2}
    )
    for _ in range(2):  # the second time nothing is recorded any more
        for raw in comparison.compare():
            shown = {
                raw.fields[path] for path in raw.fields if path.rpartition(".")[2] == "argsrepr"
            }
            assert raw["place"] == ODD
            assert all(ODD in text for text in shown)
            assert shown


def test_messages_of_a_commit_lie_in_the_order_of_their_sends(comparison: Comparison) -> None:
    comparison.app()
    comparison.connect()
    comparison.connect()
    comparison.connect(compression="gzip")
    for _ in range(2):
        messages = comparison.send(*range(20))
        found = [raw.id for raw in comparison.tap.take(60, [QUEUE])]
        assert found == [message.id for message in messages]


def test_queues_that_take_turns_get_each_their_own(comparison: Comparison) -> None:
    comparison.app()
    comparison.connect(
        {"queue": lambda number: OTHER if number % 2 else QUEUE},
        queue=lambda sender, number, **kwargs: OTHER if number % 2 else QUEUE,
    )
    comparison.connect({"queue": OTHER}, queue=OTHER)
    for _ in range(2):
        assert [raw["place"] for raw in comparison.compare()] == [OTHER, OTHER, QUEUE, *[OTHER] * 3]


def test_queue_that_expires_is_kept_alive(comparison: Comparison) -> None:
    comparison.app(task_queues=[Queue(QUEUE, expires=600)])
    comparison.connect()
    for _ in range(2):
        comparison.compare()


def test_queue_that_is_bound_meanwhile_gets_copies_too(comparison: Comparison) -> None:
    topic = Exchange("faithful.topic", "topic")
    app = comparison.app(
        task_queues=[Queue(QUEUE, topic, "faithful.#")],
        task_routes={"faithful.*": {"queue": QUEUE, "routing_key": "faithful.orders"}},
    )
    comparison.connect()
    assert {raw["place"] for raw in comparison.compare()} == {QUEUE}
    with app.connection_for_write() as connection:
        Queue(OTHER, topic, "faithful.orders")(connection.default_channel).declare()
    sent = [message.id for message in comparison.send(1, 2, 3)]
    found = comparison.tap.take(6, comparison.queues)
    assert {(raw["place"], raw.id) for raw in found} == {
        (queue, id_) for queue in (QUEUE, OTHER) for id_ in sent
    }


@on_redis
def test_prefix_of_all_keys_is_put_once(comparison: Comparison) -> None:
    comparison.app(broker_transport_options={"global_keyprefix": "shop:"})
    comparison.connect()
    for _ in range(2):
        assert {raw["place"] for raw in comparison.compare()} == {f"shop:{QUEUE}"}


@on_redis
def test_copies_of_a_commit_are_one_command(comparison: Comparison) -> None:
    if not hasattr(kombu.Producer, "batch"):
        pytest.skip("kombu 5.7 is the first to batch")
    client = redis.Redis.from_url(comparison.tap.url)

    def pushes() -> int:
        return int(client.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))

    comparison.app()
    comparison.connect()
    for expected in (2, 1):  # kombu's own, and the copies; then copies alone
        before = pushes()
        comparison.send(*range(50))
        assert pushes() - before == expected
        comparison.take(50)
    client.close()
