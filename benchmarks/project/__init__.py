"""The Django project that is measured: a shop which tells others, by hand and by signals."""

from benchmarks.project.celery import app as celery_app

__all__ = ["celery_app"]
