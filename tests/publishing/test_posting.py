"""What a worker's publishing comes to: done, refused, or not known."""

from typing import Any

import pytest
from amqp.exceptions import AccessRefused, ConsumerCancelled
from celery import current_app
from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoPermissionError

from deferred_signals.publishing.posting import CannotPublish, Refused, post
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AccessRefused("access refused"), Refused),
        (NoPermissionError("this user has no permissions"), Refused),
        (TypeError("cannot be written"), Refused),
        (ConsumerCancelled(), CannotPublish),
        (RedisGone("closed"), CannotPublish),
        (TimeoutError(), CannotPublish),
    ],
    ids=lambda item: getattr(item, "__name__", type(item).__name__),
)
def test_only_what_would_fail_again_is_refused(error: Exception, kind: type[Exception]) -> None:
    # RabbitMQ's code and the name of redis-py's class tell: this room imports no driver.
    def publish(producer: Any) -> None:
        raise error

    with pytest.raises(CannotPublish) as caught:
        post(publish)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


def test_headers_are_the_last_word_and_events_of_celerys_get_none(
    broker: Broker,
    make_current: MakeCurrent,
) -> None:
    app = make_current(broker_url="memory://", task_send_sent_event=True)

    def publish(producer: Any) -> None:
        current_app.send_task("shop.pay", headers={"tenant": "blue"}, producer=producer)

    post(publish, headers={"tenant": "red"})
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        raw = channel.basic_get("celery", no_ack=True)
    assert raw.headers["tenant"] == "red"
