# The public names, each listed here and nowhere else: see `deferred_signals/__init__.pyi`.

from deferred_signals.outbox.operations.actions import StillRuns as StillRuns
from deferred_signals.outbox.operations.actions import cancel as cancel
from deferred_signals.outbox.operations.actions import discard as discard
from deferred_signals.outbox.operations.actions import purge as purge
from deferred_signals.outbox.operations.actions import replay as replay
from deferred_signals.outbox.operations.lookup import Shown as Shown
from deferred_signals.outbox.operations.lookup import show as show
from deferred_signals.outbox.operations.pausing import pause as pause
from deferred_signals.outbox.operations.pausing import paused as paused
from deferred_signals.outbox.operations.pausing import resume as resume
from deferred_signals.outbox.operations.selection import Selection as Selection
from deferred_signals.outbox.operations.status import Health as Health
from deferred_signals.outbox.operations.status import Status as Status
from deferred_signals.outbox.operations.status import health as health
from deferred_signals.outbox.operations.status import status as status
