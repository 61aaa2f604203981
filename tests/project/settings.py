"""Settings of the test project.

`DATABASE_URL`, `OTHER_DATABASE_URL` and `BROKER_URL` put it on other services.
"""

import json
import os
from pathlib import Path
from typing import Any

from .databases import database_settings

VAR = Path(__file__).resolve().parents[2] / "var"
VAR.mkdir(exist_ok=True)

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.project.urls"
STATIC_URL = "/static/"  # a live server asks for it

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "deferred_signals",
    "deferred_signals.outbox",
    "tests.app",
]
if os.environ.get("WITHOUT_OUTBOX"):  # a test's own worker
    INSTALLED_APPS.remove("deferred_signals.outbox")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# The default one takes a quarter of a second a password, on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {
    "default": database_settings(
        os.environ.get("DATABASE_URL") or f"sqlite:///{VAR}/default.sqlite3",
    ),
    "other": database_settings(
        os.environ.get("OTHER_DATABASE_URL") or f"sqlite:///{VAR}/other.sqlite3",
    ),
}
# JSON: a test's own worker may want to connect in another way than its sender.
DATABASES["default"].setdefault("OPTIONS", {}).update(
    json.loads(os.environ.get("DATABASE_OPTIONS") or "{}")
)


def transport_options(broker_url: str) -> dict[str, Any]:
    """Return options that make a transport as quick as tests want it."""
    if broker_url.startswith("redis"):
        # How often a worker looks for messages that a dead one held.
        return {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    return {"polling_interval": 0.01} if broker_url.startswith("memory") else {}


# JSON, for a test that wants its worker to have settings of its own.
DEFERRED_SIGNALS = json.loads(os.environ.get("DEFERRED_SIGNALS") or "{}")

CELERY_BROKER_URL = os.environ.get("BROKER_URL") or "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **transport_options(CELERY_BROKER_URL),
    **json.loads(os.environ.get("TRANSPORT_OPTIONS") or "{}"),  # of a test's own worker
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Seconds that a worker which is to end at once lets what runs go on.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = float(os.environ.get("SOFT_SHUTDOWN_TIMEOUT") or 0)
