# The public names, each listed here and nowhere else: type checkers and editors read this file, and
# so does `deferred_signals.support.lazy`, which imports a name when it is first asked for.

from deferred_signals.testing.collected import Call as Call
from deferred_signals.testing.collected import Collected as Collected
from deferred_signals.testing.crashes import FakeCrash as FakeCrash
from deferred_signals.testing.crashes import fake_crash as fake_crash
from deferred_signals.testing.leaks import LeakWarning as LeakWarning
from deferred_signals.testing.mixin import DeferredSignalsMixin as DeferredSignalsMixin
from deferred_signals.testing.modes import inline as inline
from deferred_signals.testing.modes import live as live
from deferred_signals.testing.modes import manual as manual
from deferred_signals.testing.modes import settings as settings
from deferred_signals.testing.ran import Ran as Ran
from deferred_signals.testing.shortcuts import all_deferred as all_deferred
from deferred_signals.testing.shortcuts import assert_deferred as assert_deferred
from deferred_signals.testing.shortcuts import refute_deferred as refute_deferred
from deferred_signals.testing.shortcuts import run_deferred as run_deferred
from deferred_signals.testing.stale import StaleInstanceWarning as StaleInstanceWarning
from deferred_signals.testing.strict import SenderNotLoadedWarning as SenderNotLoadedWarning
from deferred_signals.testing.table import run_outbox as run_outbox
