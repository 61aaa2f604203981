"""The Django project that is measured: a shop that runs tasks by hand, and receivers of signals."""

from benchmarks.project.celery import app as celery_app

__all__ = ["celery_app"]
