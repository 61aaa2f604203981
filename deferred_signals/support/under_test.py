"""Telling whether Django's test environment is set up in this process."""

from __future__ import annotations

import sys

from django.conf import settings

__all__ = ["is_under_test"]


def is_under_test() -> bool:
    """Return whether a test runner has called Django's ``setup_test_environment()`` here.

    True under Django's own runner, its ``--parallel`` children, pytest and xdist; false in a worker
    that a test starts as a process of its own. Environment variables would be wrong both ways.
    """
    # `setup_test_environment()` imports `django.core.mail`. Other processes need not.
    mail = sys.modules.get("django.core.mail")
    return hasattr(mail, "outbox") and "testserver" in settings.ALLOWED_HOSTS
