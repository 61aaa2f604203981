"""Settings of the traced shop; the environment says where its broker is."""

import os

SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
ROOT_URLCONF = "tests.tracers.shop"
MIDDLEWARE: list[str] = []
INSTALLED_APPS = ["deferred_signals"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CELERY_BROKER_URL = os.environ.get("BROKER_URL")
# A busy machine may take more than a second to connect.
DEFERRED_SIGNALS = {"PUBLISH_TIMEOUT": 30}
