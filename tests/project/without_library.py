"""The project without the library among its apps, as somebody has it who skipped that line of the README."""

from .settings import *  # noqa: F403 - all but one line

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "tests.app",
]
