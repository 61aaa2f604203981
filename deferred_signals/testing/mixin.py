"""`DeferredSignalsMixin`: the modes for classes of `unittest` and Django."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, ClassVar, Literal

from deferred_signals.testing.collected import Collected
from deferred_signals.testing.modes import inline, live, manual

if TYPE_CHECKING:
    from deferred_signals.testing.leaks import Leaks

__all__ = ["DeferredSignalsMixin"]


class DeferredSignalsMixin(unittest.TestCase):
    """Run each test of a class in a mode. Name this class before ``TestCase`` among the bases.

    Django's test cases and `unittest.IsolatedAsyncioTestCase` work too. The mode begins with
    ``setUp`` and ends after the clean-ups.

    Attributes:
        deferred: what was collected, with the assertions; empty in other modes than ``"manual"``.
        deferred_mode: ``"manual"``, ``"inline"`` or ``"live"``.
        deferred_strict: as ``strict`` of `manual` and `inline`.
        deferred_leaks: as ``leaks`` of `manual`.
    """

    deferred: Collected
    deferred_mode: ClassVar[Literal["inline", "live", "manual"]] = "manual"
    deferred_strict: ClassVar[bool] = False
    deferred_leaks: ClassVar[Leaks] = "warn"

    def setUp(self) -> None:
        """Begin the mode, then set up the other bases."""
        if self.deferred_mode == "manual":
            mode = manual(strict=self.deferred_strict, leaks=self.deferred_leaks)
            self.deferred = self.enterContext(mode)
        else:
            is_live = self.deferred_mode == "live"
            self.enterContext(live() if is_live else inline(strict=self.deferred_strict))
            self.deferred = Collected()
        super().setUp()
