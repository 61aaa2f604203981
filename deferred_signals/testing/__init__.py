"""What a team needs to trust its deferred receivers: modes, assertions, and a clock that is not waited for.

Two modes, as Oban has them. `inline()`: receivers run here, as soon as the code under test
commits. `manual()`: messages are collected, to be looked at and run when the test says so. Both
work in a plain ``TestCase`` (or pytest's ``db``), whose transaction is never committed, for all
databases, and take each payload through encoding and decoding, so that what passes in a test
does not fail on a worker.

    with manual() as deferred:
        place_order(customer)
    deferred.assert_deferred(send_receipt, order_id=7)
    deferred.run_deferred()
"""

from typing import TYPE_CHECKING

from deferred_signals.support.lazy import lazily

if TYPE_CHECKING:
    from deferred_signals.testing.collected import Call, Collected
    from deferred_signals.testing.crashes import FakeCrash, fake_crash
    from deferred_signals.testing.leaks import LeakWarning
    from deferred_signals.testing.mixin import DeferredSignalsMixin
    from deferred_signals.testing.modes import inline, live, manual, settings
    from deferred_signals.testing.shortcuts import (
        all_deferred,
        assert_deferred,
        refute_deferred,
        run_deferred,
    )
    from deferred_signals.testing.stale import StaleInstanceWarning
    from deferred_signals.testing.story import Ran
    from deferred_signals.testing.strict import SenderNotLoadedWarning
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "collected": ["Call", "Collected"],
            "crashes": ["FakeCrash", "fake_crash"],
            "leaks": ["LeakWarning"],
            "mixin": ["DeferredSignalsMixin"],
            "modes": ["inline", "live", "manual", "settings"],
            "shortcuts": ["all_deferred", "assert_deferred", "refute_deferred", "run_deferred"],
            "stale": ["StaleInstanceWarning"],
            "story": ["Ran"],
            "strict": ["SenderNotLoadedWarning"],
        },
    )

__all__ = [
    "Call",
    "Collected",
    "DeferredSignalsMixin",
    "FakeCrash",
    "LeakWarning",
    "Ran",
    "SenderNotLoadedWarning",
    "StaleInstanceWarning",
    "all_deferred",
    "assert_deferred",
    "fake_crash",
    "inline",
    "live",
    "manual",
    "refute_deferred",
    "run_deferred",
    "settings",
]
