"""The tables can be taken out again, with what is left in them, and put in again."""

import io

import pytest
from django.core.management import call_command
from django.db import connection

from deferred_signals.outbox import pause
from deferred_signals.outbox.models import PAUSES, TABLE

from .rows import Kept

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

APP = "deferred_signals_outbox"


def migrate(*target: str) -> None:
    call_command("migrate", APP, *target, verbosity=0, stdout=io.StringIO())


def test_migrations_run_backwards_and_forwards_again(kept: Kept) -> None:
    kept.connect()
    kept.send()
    pause(kept.name)
    try:
        migrate("zero")
        assert not {TABLE, PAUSES} & set(connection.introspection.table_names())
    finally:
        migrate()
    kept.run(kept.send())
    with connection.cursor() as cursor:
        indexes = connection.introspection.get_constraints(cursor, TABLE)
    assert {"deferred_outbox_due", "deferred_outbox_running"} <= indexes.keys()


def test_migrations_make_what_the_models_say() -> None:
    call_command("makemigrations", APP, "--check", "--dry-run", verbosity=0)
