"""The system checks of the outbox that ask PostgreSQL for its schemas and its isolation level."""

import pytest
from django.core import checks
from django.db import connection
from django.dispatch import Signal

from deferred_signals.outbox.models import TABLE
from tests.support.connected import Connected
from tests.support.services import POSTGRES, absent

pytestmark = pytest.mark.django_db


def found() -> list[checks.CheckMessage]:
    return checks.run_checks(tags=[checks.Tags.database], databases=["default"])


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def tenant() -> None:
    """Make the schema of a tenant, which ends with the test's transaction."""
    if connection.vendor != "postgresql":
        absent(f"The test database is no PostgreSQL; set DATABASE_URL to {POSTGRES.url}.")
    execute("CREATE SCHEMA tenant_a")


def test_w016_table_in_several_schemas() -> None:
    assert found() == []
    execute(f"CREATE TABLE tenant_a.{TABLE} (id int)")
    (message,) = found()
    assert (message.id, message.level) == ("deferred_signals.W016", checks.WARNING)
    assert "in several schemas (public, tenant_a)" in message.msg
    assert "the app belongs to the shared apps" in str(message.hint)


def test_schemas_that_are_not_for_this_user_do_not_count() -> None:
    execute(
        f"CREATE TABLE tenant_a.{TABLE} (id int)",
        "CREATE ROLE deferred_signals_stranger",
        "GRANT USAGE ON SCHEMA public TO deferred_signals_stranger",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO deferred_signals_stranger",
        "SET LOCAL ROLE deferred_signals_stranger",
    )
    assert found() == []


def test_w015_table_outside_of_the_search_path() -> None:
    execute(f"ALTER TABLE {TABLE} SET SCHEMA tenant_a")
    (message,) = found()
    assert message.id == "deferred_signals.W015"
    assert f"{TABLE} (it is in tenant_a, outside of the search path)" in message.msg
    execute("SET LOCAL search_path = public, tenant_a")
    assert found() == []


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_e011_level_that_is_the_servers_default(
    signal: Signal, defer: Connected, only_own_receivers: None, level: str
) -> None:
    execute(f"SET LOCAL default_transaction_isolation = '{level}'")
    assert found() == []
    defer(signal, name="tests.atomic", durable=True, atomic=True)(receive)
    (message,) = found()
    assert (message.id, message.level) == ("deferred_signals.E011", checks.ERROR)
    assert f"'default'] is a PostgreSQL whose default is {level.upper()}" in message.msg
    assert "'isolation_level': IsolationLevel.READ_COMMITTED" in str(message.hint)
    execute("SET LOCAL default_transaction_isolation = 'read committed'")
    assert found() == []
