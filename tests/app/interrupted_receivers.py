"""A receiver that sends a durable message, and has little time for that.

This module is one of `TESTS_APP_MODULES`.
"""

from typing import Any

from django.db import transaction

from . import fault_receivers
from .durable_receivers import plain
from .fault_receivers import alone
from .models import Label, Run


def connect() -> None:
    """Leave a row for each message that is given up or dropped: in the test's worker."""
    fault_receivers.connect()


@alone(soft_time_limit=1, retry=None)
def sends_in_time(sender: object, **kwargs: Any) -> None:
    """Write a row, and send, in one transaction; leave a row that tells what that raised."""
    try:
        with transaction.atomic():
            Label.objects.create(name="undone SoftTimeLimitExceeded")
            plain.send(None, does="")
    except BaseException as error:
        Run.log("caught", error=type(error).__name__)
        raise
