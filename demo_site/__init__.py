"""A small order shop that uses signals as Django people know them, and defers most receivers.

``python -m demo_site.run`` shows it at work; ``python -m demo_site.run --serve`` lets you try it.
Read ``shop/signals.py``, ``shop/receivers.py`` and ``shop/views.py``: the rest is stage.
"""

# Celery's advice for Django: the app is loaded with the project, so that every task finds it.
from demo_site.celery import app as celery_app

__all__ = ["celery_app"]
