"""Settings of the project that is measured; `benchmarks.runs` chooses the services by the environment."""

import os
from pathlib import Path
from tempfile import gettempdir

import dj_database_url
import pymysql

pymysql.install_as_MySQLdb()
SECRET_KEY = "only for measurements"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "deferred_signals",
    "benchmarks.project",
    *filter(None, os.environ.get("BENCHMARKS_APPS", "").split(",")),
]
_database = dj_database_url.parse(os.environ["DATABASE_URL"])
_own = os.environ["BENCHMARKS_QUEUE"]
if "sqlite" in _database["ENGINE"]:
    _own = str(Path(gettempdir()) / _own)
DATABASES = {"default": {**_database, "TEST": {"NAME": _own}}}

# On a busy machine a figure may be bad, but the run must go on.
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

# Settings that the peers need.
EVENT_SIGNALS_CELERY_APP = "benchmarks.project.celery.app"
CELERY_OUTBOX_APP = "benchmarks.project.outboxed.app"
