"""Settings of the demo shop. Made for 127.0.0.1: copy the ideas, not the secret key."""

import os
from pathlib import Path

from demo_site import services

BASE_DIR = Path(__file__).resolve().parent.parent
#: The folder for everything that the shop writes. Each run of the demo has its own.
VAR = Path(os.environ.get("DEMO_VAR") or BASE_DIR / "var" / "demo" / "serve")
VAR.mkdir(parents=True, exist_ok=True)

DEBUG = True
SECRET_KEY = "the demo has no secrets"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "deferred_signals",
    "deferred_signals.outbox",
    "demo_site.shop",
    "demo_site.live",
]
# The newer release of the outage drill: see demo_site/drill.py.
if (VAR / "newer").exists():
    INSTALLED_APPS.append("demo_site.newer")
MIDDLEWARE = [
    "demo_site.shop.timeline.RequestMoments",
    "demo_site.live.killing.KillSwitch",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "demo_site.urls"
WSGI_APPLICATION = "demo_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": services.database_settings(VAR / "shop.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

DEFAULT_FROM_EMAIL = "shop@example.com"
# Mails are written to a folder, by a gateway that can be broken.
EMAIL_BACKEND = "demo_site.shop.mail.FlakyGateway"
EMAIL_FILE_PATH = VAR / "mail"

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = services.broker_settings()
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A queue of its own: on a broker that you share, the shop takes nobody else's messages.
CELERY_TASK_DEFAULT_EXCHANGE = "demo_shop"
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("DEMO_QUEUE") or "demo_shop"

DEFERRED_SIGNALS = {
    "CONTEXT": [
        "deferred_signals.context.Language",
        "deferred_signals.context.TimeZone",
        "demo_site.shop.timeline.AboutOrder",
    ],
    # So short that you need not wait: the defaults are 60 s, 1 s and 5 s.
    "OUTBOX": {"LEASE": 3, "RELAY_INTERVAL": 0.3},
    "BREAKER_COOLDOWN": 1,
}

# Sentry reads its settings from the environment.
if os.environ.get("SENTRY_DSN"):
    import sentry_sdk

    sentry_sdk.init()
