"""Durable delivery: a message is a row, written by the sender's own transaction.

A project that wants it adds ``"deferred_signals.outbox"`` to ``INSTALLED_APPS``. Nothing below imports
this package: its app plugs in what the sending side and the worker's side need.
"""

from deferred_signals.support.lazy import lazily

# The public names are listed in `__init__.pyi`.
__all__, __getattr__, __dir__ = lazily(__name__)
