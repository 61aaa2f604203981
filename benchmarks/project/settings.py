"""Settings of the project that is measured; `benchmarks.runs` says by environment what it runs on."""

import os

import dj_database_url

SECRET_KEY = "only for measurements"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "deferred_signals",
    *filter(None, os.environ.get("BENCHMARKS_APPS", "").split(",")),
]
DATABASES = {
    "default": {
        **dj_database_url.parse(os.environ["DATABASE_URL"]),
        "TEST": {"NAME": os.environ["BENCHMARKS_QUEUE"]},
    },
}

# A busy machine makes a figure worse, and must not end the run.
DEFERRED_SIGNALS = {"PUBLISH_TIMEOUT": 30.0}
CELERY_BROKER_URL = os.environ["BROKER_URL"]
CELERY_TASK_DEFAULT_QUEUE = os.environ["BENCHMARKS_QUEUE"]
CELERY_IMPORTS = [
    "benchmarks.project.by_hand",
    "benchmarks.project.receivers",
    "benchmarks.project.signal_receivers",
]
# A worker's queue for remote control would outlive the run.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False

# What the peers ask for.
EVENT_SIGNALS_CELERY_APP = "benchmarks.project.celery.app"
CELERY_OUTBOX_APP = "benchmarks.project.outboxed.app"
