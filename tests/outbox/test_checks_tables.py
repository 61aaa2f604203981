"""The system checks that look at the table: by ``check --database``, and by ``migrate``."""

from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import DjangoDbBlocker, Settings

from deferred_signals.outbox.models import TABLE

pytestmark = pytest.mark.usefixtures("only_own_receivers")

in_the_test_databases = pytest.mark.django_db(databases=["default", "other"])

APP = "deferred_signals_outbox"

Configure = Callable[..., None]


def found(*aliases: str) -> list[checks.CheckMessage]:
    return checks.run_checks(tags=["deferred_signals", checks.Tags.database], databases=aliases)


@pytest.fixture(autouse=True)
def silenced(settings: Settings) -> None:
    """Silence what Django's own checks tell of lazy senders: it keeps those of other tests for good."""
    settings.SILENCED_SYSTEM_CHECKS = ["models.E022", "signals.E001"]


@pytest.fixture
def unguarded(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let a test connect to the database that it adds."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def fresh(
    unguarded: None, add_database: Callable[..., None], names: Configure, tmp_path: Path
) -> str:
    """Add an empty database that is to carry the table."""
    add_database("fresh", f"sqlite:///{tmp_path}/fresh.sqlite3")
    names("default", "fresh")
    return "fresh"


@pytest.fixture
def renamed() -> Iterator[None]:
    """Take the table away from the default database, whatever it is."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
    yield
    with connections["default"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE elsewhere RENAME TO {TABLE}")


class NothingOfOurs:
    """Keep the table out of the database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        return False if (db, app_label) == ("fresh", APP) else None


def run(command: str, *arguments: str, **options: Any) -> str:
    """Run a command; return what it says on stderr."""
    told = StringIO()
    call_command(command, *arguments, stdout=StringIO(), stderr=told, **options)
    return told.getvalue()


def migrate(*arguments: str, **options: Any) -> str:
    """Run ``migrate``, with the checks that its command line has run."""
    return run("migrate", *arguments, verbosity=0, skip_checks=False, **options)


@in_the_test_databases
def test_database_with_the_table_has_nothing_to_be_told(names: Configure) -> None:
    names("default", "other")
    assert found("default", "other") == []
    assert run("check", databases=["default", "other"]) == ""


@in_the_test_databases
@pytest.mark.usefixtures("renamed")
def test_w015_table_that_is_gone_although_migrations_are_noted() -> None:
    (message,) = found("default", "other")
    assert (message.id, message.level) == ("deferred_signals.W015", checks.WARNING)
    assert f"Database 'default' does not have the table of durable messages, {TABLE}" in message.msg
    assert f"Run manage.py migrate --database default {APP} zero --fake, and then" in str(
        message.hint
    )


@in_the_test_databases
@pytest.mark.usefixtures("renamed")
def test_only_databases_that_the_command_names_are_asked(names: Configure) -> None:
    assert found("other") == []
    assert found() == []
    names("other")
    assert found("default", "other") == []


def test_w015_database_that_nobody_has_migrated(fresh: str) -> None:
    (message,) = found(fresh)
    assert message.id == "deferred_signals.W015"
    assert message.hint == "Run manage.py migrate --database fresh."
    assert "deferred_signals.W015" in run("check", databases=[fresh])


def test_w015_is_not_told_by_the_command_that_is_about_to_make_the_table(fresh: str) -> None:
    assert migrate(APP, database=fresh) == ""
    assert found(fresh) == []


def test_w015_migration_that_is_not_applied(fresh: str) -> None:
    migrate(APP, database=fresh)
    MigrationRecorder(connections[fresh]).record_unapplied(APP, "0002_permissions")
    (message,) = found(fresh)
    assert message.id == "deferred_signals.W015"
    assert f"migrations of {APP} are not applied (0002_permissions)" in message.msg
    assert message.hint == f"Run manage.py migrate --database fresh {APP}."
    assert migrate(APP, database=fresh, fake=True) == ""
    assert found(fresh) == []


def test_w015_router_that_keeps_the_table_out(fresh: str, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [NothingOfOurs()]
    assert "allow_migrate()" in migrate(APP, database=fresh)
    (message,) = found(fresh)
    assert message.id == "deferred_signals.W015"
    assert f"answer True for the app '{APP}' and 'fresh'" in str(message.hint)
    assert f"migrate --database fresh {APP} zero --fake" in str(message.hint)


def test_what_w015_says_of_a_migration_that_is_noted_helps(fresh: str, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [NothingOfOurs()]
    migrate(APP, database=fresh)
    settings.DATABASE_ROUTERS = []
    assert "notes the migration as applied" in migrate(APP, database=fresh)
    migrate(APP, "zero", fake=True, database=fresh)
    migrate(APP, database=fresh)
    assert found(fresh) == []


def test_w015_project_that_has_switched_migrations_off(fresh: str, settings: Settings) -> None:
    settings.MIGRATION_MODULES = {APP: None}
    (message,) = found(fresh)
    assert message.hint == "Run manage.py migrate --database fresh --run-syncdb."
    migrate(database=fresh, run_syncdb=True)
    assert found(fresh) == []


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all.sqlite3", "postgres://nobody@127.0.0.1:1/nothing"]
)
def test_database_that_is_away_is_no_fault_of_ours(
    unguarded: None, add_database: Callable[..., None], names: Configure, url: str
) -> None:
    add_database("away", url)
    names("default", "away")
    assert found("away") == []


def test_migrations_that_cannot_be_loaded_end_in_no_traceback(
    fresh: str, settings: Settings
) -> None:
    settings.MIGRATION_MODULES = {APP: "tests.nowhere"}
    assert found(fresh) == []


@in_the_test_databases
def test_wrong_setting_is_told_alone(configure: Configure) -> None:
    configure(OUTBOX={"DATABASES": 3})
    assert [message.id for message in found("default")] == ["deferred_signals.E001"]
