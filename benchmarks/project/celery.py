"""The project's Celery app, set up as Celery's guide for Django says."""

import os
from pathlib import Path

from celery import Celery
from celery.signals import task_received

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project.settings")

app = Celery("benchmarks")
app.config_from_object("django.conf:settings", namespace="CELERY")

if "BENCHMARKS_RECEIVED" in os.environ:
    _received = Path(os.environ["BENCHMARKS_RECEIVED"])

    @task_received.connect(weak=False)
    def note(**kwargs: object) -> None:
        """Add a character to a file for each message that the worker takes."""
        with _received.open("a") as file:
            file.write(".")
