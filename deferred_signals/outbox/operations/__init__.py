"""What people do with the outbox: look at it, replay and discard messages, pause receivers.

The functions are public, as ``deferred_signals.outbox.replay`` and so on. The commands and the admin call
them.
"""
