"""Run Django signal receivers on a Celery worker, after the commit, by one argument.

``help(deferred_signals.receiver)`` lists the options, and ``help(deferred_signals.Retry)`` tells how failed
runs are tried again. ``manage.py deferred_receivers`` shows who listens to which signals.
"""

from deferred_signals.support.lazy import lazily

# The public names are listed in `__init__.pyi`.
__all__, __getattr__, __dir__ = lazily(__name__)

__version__ = "0.1.0"
