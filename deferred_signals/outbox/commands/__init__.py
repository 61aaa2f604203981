"""What ``manage.py deferred_outbox`` can do, a module for each kind of work."""
