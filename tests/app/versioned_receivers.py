"""A durable receiver whose version is in the environment: workers before a deploy, and after it."""

import os
from typing import Any

from . import fault_receivers
from .fault_receivers import alone, leave


def connect() -> None:
    """Leave a row for each message that is given up or dropped: in the test's worker."""
    fault_receivers.connect()


@alone(durable=True, version=int(os.environ.get("TESTS_VERSION") or 2))
def is_of_a_version(sender: object, **kwargs: Any) -> None:
    """Run once, where this version is known."""
    leave()
