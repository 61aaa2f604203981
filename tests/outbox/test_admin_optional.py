"""A project without Django's admin has an outbox all the same, and imports nothing of the admin."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

PROGRAM = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "deferred_signals", "deferred_signals.outbox"
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:",
                           "OPTIONS": {"transaction_mode": "IMMEDIATE"}}},
    SECRET_KEY="only for tests",
)
django.setup()
from django.core.management import call_command
from deferred_signals.outbox import pause, replay, Selection, status
call_command("check")
call_command("migrate", verbosity=0)
replay(Selection()), pause("tests.gone"), status()
print([name for name in sys.modules if name.startswith(("django.contrib.admin", "deferred_signals.outbox.admin"))])
"""


def test_nothing_of_the_admin_is_imported_without_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
