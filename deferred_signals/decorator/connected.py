"""The callable that is connected in place of the user's."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from deferred_signals.receivers import registry
from deferred_signals.receivers.receiver import Receiver
from deferred_signals.sending import endings  # noqa: F401 - it must be loaded before eager mode begins
from deferred_signals.sending.undeferred import is_for_sender, report_undeferred
from deferred_signals.support.forks import unforked
from deferred_signals.worker.tasks import declare, undeclare

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.dispatch import Signal

    from deferred_signals.sending.dispatch import Deferred

__all__ = ["DeferredReceiver"]


class DeferredReceiver(Receiver):
    """The callable that is connected in place of the user's: being called, it defers the call.

    It is never async, whatever the user's callable is: Django would call an async one where the
    transaction cannot be seen.
    """

    def __call__(self, *, signal: Signal, sender: Any, **kwargs: Any) -> Deferred | None:
        """Defer one call; Django calls this from ``send()``."""
        try:
            dispatch, entry = _dispatcher(), self._entries[id(signal)]
        except Exception as error:  # no file can be opened for the import, say
            if is_for_sender(signal, error):
                raise
            report_undeferred(self.name, signal, error)
            return None
        if _sent:
            return dispatch(self, signal, entry, sender, kwargs)
        with unforked():  # Django and Celery, too, import some of their modules on first use
            _sent.append(True)
            _wake(self)
            return dispatch(self, signal, entry, sender, kwargs)

    def declare(self) -> None:
        """Make the receiver's Celery tasks."""
        declare(self)

    def forget(self) -> None:
        """Undo the decorator: disconnect from everything, and give up the names and their tasks."""
        self.disconnect()
        registry.discard(self)
        undeclare(self)


#: Whether anything was sent in this process.
_sent: list[bool] = []


os.register_at_fork(after_in_child=_sent.clear)


def _wake(receiver: DeferredReceiver) -> None:
    """Let what publishes be imported, and connect, while the transaction goes on."""
    from deferred_signals.sending.destinations import wake  # noqa: PLC0415 - see `_dispatcher`

    wake(receiver)


@cache
def _dispatcher() -> Callable[..., Deferred | None]:
    """Import what sends, when the first signal is sent.

    What publishes is imported later still, by the first commit: a process that sends nothing
    should not pay for either when it starts.
    """
    with unforked():
        from deferred_signals.sending.destinations import current_destination  # noqa: PLC0415 - see above
        from deferred_signals.sending.dispatch import dispatch  # noqa: PLC0415 - see above

        current_destination()  # Celery reads its settings when it is first asked for one
    return dispatch
