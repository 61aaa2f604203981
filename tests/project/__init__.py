"""A Django project as small as a project can be that runs Celery workers."""

from .celery import app as celery_app

__all__ = ["celery_app"]
