"""Settings of a project that has the packages, and the entries of the page."""

import os
from typing import Any

from tests.packages.page import block
from tests.project.settings import *  # noqa: F403 - what is not said here is the test project's
from tests.project.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, VAR

DATABASES = {"default": DATABASES["default"]}
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "wagtail.contrib.redirects",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.admin",
    "wagtail.search",
    "wagtail.users",
    "wagtail",
    "modelcluster",
    "rest_framework",
    "taggit",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "tests.packages.apps.PackagesConfig",
]
if os.environ.get("DEFERRED_SIGNALS_LAST"):  # a test's own process
    INSTALLED_APPS.remove("deferred_signals")
    INSTALLED_APPS.append("deferred_signals")
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ROOT_URLCONF = "tests.packages.urls"
MEDIA_ROOT = os.environ.get("MEDIA_ROOT") or str(VAR / "media")
MAILERS = {
    "default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}
}  # from Django 6.1 on
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False
SOCIALACCOUNT_AUTO_SIGNUP = True
WAGTAIL_SITE_NAME = "Shop"
WAGTAILADMIN_BASE_URL = "http://testserver"

of_the_page: dict[str, Any] = {}
exec(block("settings.py"), of_the_page)  # noqa: S102 - the page's example is what is tested
DEFERRED_SIGNALS = of_the_page["DEFERRED_SIGNALS"]
