"""Every built-in signal that can be deferred, through one real worker.

The signals are all sent at first; then each test looks at what the worker left.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.app import builtin_receivers
from tests.app.models import Run
from tests.support.processes import wait_until

from .builtin_sends import SENDS
from .nodes import needs_local_broker
from .workers import published_to, worker

pytestmark = [
    # The tests ask for no database, but only where tests do, one is made for `left`.
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.xdist_group("redis"),
    needs_local_broker,
]


@dataclass
class Told:
    """What the worker left, and what could not be sent."""

    rows: list[Run]
    failures: dict[str, Exception]
    log: str

    def __call__(self, name: str) -> list[dict[str, Any]]:
        """Return the descriptions that a receiver left."""
        return [row.payload for row in self.rows if row.receiver == name]


@pytest.fixture(scope="module")
def left(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Told]:
    """Send everything, wait until all of it was run, and clear up."""
    broker = request.getfixturevalue("redis_node")
    failures: dict[str, Exception] = {}
    due = 0
    with django_db_blocker.unblock(), published_to(broker):
        folder = tmp_path_factory.mktemp("own_worker")
        with worker(broker, folder, TESTS_APP_MODULES="tests.app.builtin_receivers") as process:
            builtin_receivers.connect()
            try:
                for send, rows in SENDS:
                    try:
                        send()
                        due += rows
                    except Exception as error:  # noqa: BLE001 - its test tells of it
                        failures[send.__name__] = error
                try:
                    wait_until(lambda: Run.objects.count() >= due, 20, f"{due} rows")
                except TimeoutError as error:
                    failures["the worker"] = error
            finally:
                builtin_receivers.disconnect()
        left_rows = list(Run.objects.order_by("pk"))
        call_command("flush", verbosity=0, interactive=False)  # permissions are made anew
        yield Told(left_rows, failures, process.logs())


def test_everything_was_sent_and_run_by_the_worker(left: Told) -> None:
    assert left.failures == {}
    assert "Traceback" not in left.log
    assert {row.pid for row in left.rows} & {os.getpid()} == set()
    assert left("failed") == []
    assert len(left.rows) == sum(rows for _, rows in SENDS), [row.receiver for row in left.rows]


def test_post_save_arrives_with_its_row_and_flags(left: Told) -> None:
    first, second = left("saved")[:2]
    assert first["created"] is True
    assert second == {
        "sender": "tests.app.models.Order",
        "instance": first["instance"],
        "created": False,
        "status": "paid",
        "update_fields": ["str status"],
        "raw": False,
    }


def test_post_delete_arrives_with_the_fields_of_a_row_that_cannot_be_saved(left: Told) -> None:
    first = left("deleted")[0]
    assert first["instance"][2] == "there"
    assert first["status"] == "gone"
    assert first["gone"]
    assert first["origin_is_instance"]
    assert "cannot be saved" in first["refusal"]


def test_post_delete_that_follows_a_relation_to_a_row_that_is_gone_is_discarded(
    left: Told,
) -> None:
    assert left("deleted_line") == []
    reasons = {row["of"]: row["reason"] for row in left("discarded")}
    assert "does not exist" in reasons["tests.app.builtin_receivers.deleted_line"]


def test_post_save_of_a_row_that_is_gone_is_discarded_or_has_run_before(left: Told) -> None:
    of_save = [row for row in left("discarded") if row["of"] == "tests.app.builtin_receivers.saved"]
    assert all("tests_app.Order with primary key" in row["reason"] for row in of_save)


def test_pre_delete_arrives_with_the_fields_of_its_row(left: Told) -> None:
    (row,) = left("deleting")
    assert row["subject"] == "help"
    assert row["instance"][0] == "tests_app.Ticket"


def test_m2m_changed_arrives_once_for_each_action(left: Told) -> None:
    rows = left("related")
    assert [(row["action"], row["reverse"], row["pk_set"]) for row in rows] == [
        ("post_add", False, ["str blue"]),
        ("post_remove", False, ["str blue"]),
        ("post_add", True, ["int 700"]),
        ("post_clear", False, ["str blue"]),
        ("post_add", False, ["UUID 00000000-0000-0000-0000-00000000002a"]),
    ]
    assert {row["sender"] for row in rows} == {
        "tests.app.models.Order_labels",
        "tests.app.models.Board_tickets",
    }
    assert rows[2]["instance"] == ["tests_app.Label", "blue", "there"]
    assert rows[2]["model"] == "tests.app.models.Order"


def test_post_migrate_arrives_once_for_each_app(left: Told) -> None:
    rows = {row["sender"]: row for row in left("migrated")}
    assert rows.keys() == {app.label for app in apps.get_app_configs() if app.models_module}
    assert rows["tests_app"] == {
        "sender": "tests_app",
        "app": "tests_app",
        "plan": "[('tests_app', '0001_initial', False)]",
        "left_out": True,
        "using": "default",
    }


def test_request_started_and_finished_arrive_without_cookies(left: Told) -> None:
    assert [row["path"] for row in left("started")] == ["/page/", "/broken/"]
    assert {row["sender"] for row in left("started")} == {
        "SenderNotLoaded(path='django.test.client.ClientHandler')"
    }
    assert "str HTTP_COOKIE" not in left("started")[0]["keys"]
    assert len(left("finished")) == 2


def test_got_request_exception_arrives_with_a_summary_of_the_exception(left: Told) -> None:
    (row,) = left("broke")
    assert row["sender"] is None
    assert row["request"][:3] == ["GET", "/broken/", "me"]
    assert "AnonymousUser" in row["request"][3]
    assert (row["type"], row["message"]) == ("LookupError", "broken")


def test_user_logged_in_arrives_with_user_and_request(left: Told) -> None:
    (row,) = left("logged_in")
    ada = ["auth.User", "70", "there"]
    assert row["sender"] == "django.contrib.auth.models.User"
    assert row["user"] == ada
    assert row["request"][:3] == ["POST", "/login/", "me"]


def test_user_logged_out_arrives_with_the_user_or_none(left: Told) -> None:
    nobody, ada = left("logged_out")
    assert (nobody["sender"], nobody["user"]) == ("builtins.NoneType", None)
    assert ada["user"] == ["auth.User", "70", "there"]


def test_user_login_failed_arrives_though_its_transaction_was_rolled_back(left: Told) -> None:
    (row,) = left("login_failed")
    assert row["sender"] == "django.contrib.auth"
    assert "eve" in row["credentials"]
    assert "hush" not in row["credentials"]


def test_signal_of_a_third_party_arrives_with_any_sender(left: Told) -> None:
    senders = {row["order_id"]: row["sender"] for row in left("placed")}
    assert senders == {
        0: None,
        1: "a text",
        2: "tests.app.builtin_receivers.View",
        3: "tests.app.builtin_receivers.View",
        4: repr(builtin_receivers),
        5: "decimal.Decimal",
        6: "SenderNotLoaded(path='tests.integration.builtin_sends.HereOnly')",
    }
