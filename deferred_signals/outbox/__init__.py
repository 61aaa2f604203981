"""Durable delivery: a message is a row, written by the sender's own transaction.

A project that wants it adds ``"deferred_signals.outbox"`` to ``INSTALLED_APPS``. Nothing below imports
this package: its app plugs in what the sending side and the worker's side need.
"""
