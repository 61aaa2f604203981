"""A receiver that sends: what it defers is published by a worker's child, to a broker of its own perhaps."""

import os
from typing import Any

from celery import current_app
from celery.signals import worker_process_init
from django.db import transaction

from .fault_receivers import alone, leave, leaves_a_row


def connect() -> None:
    """Let the children of the test's worker publish to the broker of `CHILDREN_PUBLISH_TO`."""
    worker_process_init.connect(publish_elsewhere)


def publish_elsewhere(**kwargs: object) -> None:
    """Publish elsewhere from now on, in a child."""
    current_app.conf.update(broker_write_url=os.environ["CHILDREN_PUBLISH_TO"])


@alone()
def passes_on(sender: object, number: int, **kwargs: Any) -> None:
    """Send one message in a transaction, and leave a row."""
    with transaction.atomic():
        leaves_a_row.send(None, number=number)
    leave(number=number)
