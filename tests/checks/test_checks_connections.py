"""The system checks of receivers' senders and queues."""

# ruff: noqa: SLF001  # Django keeps for good what waits for a model

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.dispatch import Signal
from django.test import override_settings
from kombu import Queue
from pytest_django import Settings

from tests.app.models import Article
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected

pytestmark = pytest.mark.usefixtures("only_own_receivers")


def found(*, deploy: bool = False) -> list[checks.CheckMessage]:
    messages = checks.run_checks(tags=["deferred_signals"], include_deployment_checks=deploy)
    return [message for message in messages if not str(message.id).endswith(("W006", "W008"))]


def ids(*, deploy: bool = False) -> list[str]:
    return [str(message.id).partition(".")[2] for message in found(deploy=deploy)]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


def accept(sender: object, **kwargs: object) -> None:
    """Neither does this one."""


@pytest.fixture
def lazily(defer: Connected) -> Any:
    """Connect to a lazy sender, and forget that it is waited for."""
    before = {key: list(waiting) for key, waiting in apps._pending_operations.items()}

    def connect(signal: Signal, sender: str, **options: Any) -> None:
        defer(signal, sender=sender, **options)(receive)

    yield connect
    apps._pending_operations.clear()
    apps._pending_operations.update(before)


@pytest.mark.parametrize(
    ("sender", "why", "hint"),
    [
        ("tests_app.Ordr", "the app 'tests_app' has no such model", "'tests_app.Order'"),
        ("tests_ap.Order", "no app with the label 'tests_ap' is installed", "'tests_app.Order'"),
        ("shop.Wagon", "no app with the label 'shop' is installed", "INSTALLED_APPS"),
        ("auth.Usr", "the app 'auth' has no such model", "'auth.User'"),
    ],
)
@pytest.mark.parametrize("signal", [post_save, post_delete, m2m_changed])
def test_e003_lazy_sender_that_is_not_there(
    lazily: Callable[..., None], signal: Signal, sender: str, why: str, hint: str
) -> None:
    lazily(signal, sender, name="tests.waiting")
    (message,) = found(deploy=True)
    assert (message.id, message.is_serious()) == ("deferred_signals.E003", True)
    assert f"tests.waiting is connected to the sender {sender!r}, but {why}" in message.msg
    assert hint in str(message.hint)


@pytest.mark.django_db(databases=["default", "other"])  # Django 6.1 checks the databases as well
def test_e003_ends_the_command_with_an_error_and_no_traceback(lazily: Callable[..., None]) -> None:
    lazily(post_save, "tests_app.Ordr", name="tests.waiting")
    with pytest.raises(SystemCheckError, match=r"tests\.waiting is connected to the sender"):
        call_command("check")


def test_lazy_sender_that_is_there_is_fine(lazily: Callable[..., None]) -> None:
    lazily(post_save, "tests_app.order")
    lazily(m2m_changed, "tests_app.Order_labels")
    assert found() == []


def test_sender_that_is_no_model_is_fine(signal: Signal, defer: Connected) -> None:
    defer(signal, sender="a text")(receive)
    assert found() == []


QUEUES = [Queue("celery"), Queue("mail", queue_arguments={"x-max-priority": 5})]


@pytest.mark.parametrize(
    "queues",
    [QUEUES, tuple(QUEUES), {"celery": {"exchange": "celery"}, "mail": QUEUES[1]}],
    ids=["list", "tuple", "dict"],
)
def test_w011_queue_that_is_not_declared(
    signal: Signal, defer: Connected, make_current: MakeCurrent, queues: Any
) -> None:
    make_current(broker_url="memory://", task_queues=queues)
    defer(signal, name="tests.mailer", queue="mail")(receive)
    defer(signal, name="tests.caller", queue=lambda sender, **_: "anywhere")(accept)
    assert found(deploy=True) == []
    defer(Signal(), name="tests.auditor", queue="audit")(receive)
    (message,) = found(deploy=True)
    assert message.id == "deferred_signals.W011"
    assert "tests.auditor go to the queue 'audit'" in message.msg
    assert "-Q audit" in message.msg
    assert "celery, mail" in str(message.hint)


def test_w011_queue_of_the_setting(
    defer: Connected, make_current: MakeCurrent, settings: Settings
) -> None:
    make_current(broker_url="memory://", task_queues=QUEUES)
    for number in range(5):
        defer(Signal(), name=f"tests.receiver_{number}")(receive)
    settings.DEFERRED_SIGNALS = {"QUEUE": "audit"}
    (message,) = found()
    assert "tests.receiver_2 and 2 more go to the queue 'audit'" in message.msg


@pytest.mark.parametrize(
    ("queue", "configuration", "wrong"),
    [
        ("audit", {}, True),
        ("celery", {}, False),
        (None, {}, False),
        (None, {"task_default_queue": "main"}, False),
        ("audit", {"task_queues": QUEUES}, True),
        ("mail", {"task_queues": QUEUES}, False),
        (None, {"task_routes": {"tests.*": {"queue": "audit"}}}, True),
        (None, {"task_routes": {"tests.*": {"queue": "celery"}}}, False),
        (None, {"task_routes": [lambda *_args, **_kwargs: 1 / 0]}, False),
        (lambda sender, **_: "anywhere", {}, False),
    ],
)
def test_e004_queue_that_celery_must_not_create(
    signal: Signal,
    defer: Connected,
    make_current: MakeCurrent,
    queue: Any,
    configuration: dict[str, Any],
    wrong: bool,
) -> None:
    make_current(broker_url="memory://", task_create_missing_queues=False, **configuration)
    defer(signal, name="tests.auditor", queue=queue)(receive)
    assert ids(deploy=True) == (["E004"] if wrong else [])
    for message in found():
        assert message.is_serious()
        assert "tests.auditor cannot be published" in message.msg
        assert "'audit'" in message.msg


def test_i001_queues_that_workers_are_to_be_told_of(
    signal: Signal, defer: Connected, make_current: MakeCurrent
) -> None:
    make_current(broker_url="memory://")
    defer(signal, queue="celery")(receive)
    assert ids(deploy=True) == []
    defer(Signal(), queue="mail")(receive)
    defer(Signal(), queue="audit")(receive)
    assert ids() == []
    (message,) = found(deploy=True)
    assert (message.id, message.level) == ("deferred_signals.I001", checks.INFO)
    assert "-Q celery,audit,mail" in str(message.hint)


def test_checking_creates_no_queue(
    signal: Signal, defer: Connected, make_current: MakeCurrent
) -> None:
    app: Any = make_current(broker_url="memory://")
    defer(signal, queue="audit")(receive)
    found(deploy=True)
    assert set(app.amqp.queues) == {"celery"}


def test_w013_library_that_is_not_installed(signal: Signal, defer: Connected) -> None:
    others = [name for name in django_settings.INSTALLED_APPS if name != "deferred_signals"]
    with override_settings(INSTALLED_APPS=others):
        assert ids() == []
        defer(signal)(receive)
        (message,) = found()
    assert message.id == "deferred_signals.W013"
    assert "INSTALLED_APPS" in str(message.hint)
    assert ids() == []


@override_settings(
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "tests.app",
        "deferred_signals.apps.DeferredSignalsConfig",
    ]
)
def test_library_that_is_installed_by_its_config_is_installed(
    signal: Signal, defer: Connected
) -> None:
    defer(signal)(receive)
    assert ids() == []


@pytest.mark.parametrize("signal", [post_delete, pre_delete])
@pytest.mark.parametrize("sender", [Article, "tests_app.Article"])
def test_w014_fields_of_deleted_rows_that_stay_behind(
    signal: Signal, sender: Any, defer: Connected
) -> None:
    defer(signal, name="tests.deleted", sender=sender, opt_in=True)(receive)
    (message,) = found()
    assert message.id == "deferred_signals.W014"
    assert "tests.deleted gets deleted rows of tests_app.Article without" in message.msg
    assert "secret (the field encrypts" in message.msg
    assert "extra (PickledField reads values by code of its own" in message.msg
    assert "title" not in message.msg
    assert "'secret'" in str(message.hint)


def test_w014_fields_that_are_excluded_are_not_missed(defer: Connected) -> None:
    fields = ["price", "body", "secret", "extra", "noise"]
    defer(post_delete, sender=Article, exclude_fields=fields)(receive)
    assert found() == []


def test_w014_rows_that_are_still_there_are_complete(defer: Connected) -> None:
    defer(post_save, sender=Article, snapshot=True)(receive)
    assert found() == []


def test_w014_fields_of_signed_messages_travel(defer: Connected, settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": True}
    defer(post_delete, sender=Article, exclude_fields=["secret"])(receive)
    assert found() == []


@pytest.mark.parametrize("signal", [post_delete, pre_delete])
def test_w014_is_silent_while_settings_are_wrong(
    signal: Signal, defer: Connected, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"SIGNING": 3}
    defer(signal, sender=Article, opt_in=True)(receive)
    assert ids(deploy=True) == ["E001"]
