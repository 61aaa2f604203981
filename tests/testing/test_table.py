"""`run_outbox()` in a project of its own: its table in a database in memory, and without the app."""

from textwrap import dedent

import pytest

from .conftest import PROJECT, Project


@pytest.fixture
def durable(project: Project) -> Project:
    """Write a project whose receiver is durable."""
    apps = '"deferred_signals", "deferred_signals.outbox", "shop"'
    project.write(
        {
            "proj/settings.py": PROJECT["proj/settings.py"].replace(
                '"deferred_signals", "shop"', apps
            ),
            "shop/receivers.py": PROJECT["shop/receivers.py"].replace(
                "deferred=True", "deferred=True, durable=True, atomic=True"
            ),
        }
    )
    return project


def test_rows_run_where_the_database_is_in_memory(durable: Project) -> None:
    durable.run(
        """
        from django.db import transaction
        from deferred_signals.outbox.models import OutboxMessage
        from deferred_signals.testing import run_outbox

        @pytest.mark.parametrize("turn", [1, 2])
        @pytest.mark.django_db(transaction=True)
        def test_order_is_charged(turn):
            assert not OutboxMessage.objects.exists()  # the test before left two
            with transaction.atomic():
                order_placed.send(None, order_id=7)
            assert OutboxMessage.objects.get().receiver == "shop.receivers.charge"
            (one,) = run_outbox(charge)
            assert (one.outcome, ran) == ("succeeded", [7])
            order_placed.send(None, order_id=8)
            order_placed.send(None, order_id=9)

        @pytest.mark.django_db
        def test_testcase_is_refused():
            with pytest.raises(RuntimeError, match="manual"):
                run_outbox()
        """
    ).assert_outcomes(passed=3)


def test_project_without_the_app_is_told_what_is_missing(project: Project) -> None:
    project.run(
        """
        from deferred_signals import ConfigurationError
        from deferred_signals.testing import run_outbox

        @pytest.mark.django_db(transaction=True)
        def test_table_is_missing():
            with pytest.raises(ConfigurationError, match="deferred_signals.outbox"):
                run_outbox()
        """
    ).assert_outcomes(passed=1)


def test_setting_that_makes_receivers_durable_without_the_app_is_refused_in_a_mode(
    project: Project,
) -> None:
    setting = 'DEFERRED_SIGNALS = {"DURABLE": True}'
    project.write({"proj/settings.py": f"{dedent(PROJECT['proj/settings.py'])}\n{setting}"})
    project.run(
        """
        from deferred_signals import ConfigurationError, testing

        @pytest.mark.parametrize("mode", ["inline", "manual"])
        @pytest.mark.django_db
        def test_charge_is_refused(mode):
            with getattr(testing, mode)(), pytest.raises(ConfigurationError, match="migrate"):
                order_placed.send(None, order_id=7)
        """
    ).assert_outcomes(passed=2)
