"""A small order shop that uses Django's signals as usual, and defers most of its receivers.

``python -m demo_site.run`` shows it at work; ``python -m demo_site.run --serve`` lets you try it.
Read ``shop/signals.py``, ``shop/receivers.py`` and ``shop/views.py``; the rest only runs the demo.
"""

# Celery's advice for Django: the app is loaded with the project, so that every task finds it.
from demo_site.celery import app as celery_app

__all__ = ["celery_app"]
