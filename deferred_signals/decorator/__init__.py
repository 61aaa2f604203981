"""`receiver` and `connect`: as Django's, with one more argument, which makes a worker run the receiver.

`public` has the two functions, and `connected` the callable that they connect. `wrapped` does the same for
receivers of other packages, which the setting ``DEFER`` names. The stub, `__init__.pyi`,
is what type checkers and editors see of them.
"""

from deferred_signals.decorator.connected import DeferredReceiver
from deferred_signals.decorator.public import connect, receiver

__all__ = ["DeferredReceiver", "connect", "receiver"]
