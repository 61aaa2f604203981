"""Run Django signal receivers on a Celery worker, after the commit, by one argument."""

from deferred_signals.support.lazy import lazily

# The public names are listed in `__init__.pyi`.
__all__, __getattr__, __dir__ = lazily(__name__)

__version__ = "0.1.0"
