"""The fixtures of `tests.support`, for all tests."""

from tests.support.broker import broker
from tests.support.connected import defer, signal
from tests.support.fixtures import (
    chunked,
    configure,
    eager,
    followed_tables,
    make_current,
    numbers,
    only_own_receivers,
    send_together,
)
from tests.support.lifecycle import lifecycle
from tests.support.made import make

__all__ = [
    "broker",
    "chunked",
    "configure",
    "defer",
    "eager",
    "followed_tables",
    "lifecycle",
    "make",
    "make_current",
    "numbers",
    "only_own_receivers",
    "send_together",
    "signal",
]

# A program, which makes settings of its own.
collect_ignore = ["support/hardships.py"]
