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
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "deferred_signals",
    "demo_site.shop",
]
MIDDLEWARE = [
    "demo_site.shop.timeline.RequestMoments",
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
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

DEFAULT_FROM_EMAIL = "shop@example.com"
# Mails are written to a folder, by a gateway that fails at first.
EMAIL_BACKEND = "demo_site.shop.mail.FlakyGateway"
EMAIL_FILE_PATH = VAR / "mail"

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = services.broker_settings(VAR / "broker")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A queue of its own: on a broker that you share, the shop takes nobody else's messages.
CELERY_TASK_DEFAULT_EXCHANGE = "demo_shop"
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("DEMO_QUEUE") or "demo_shop"
