"""Whatever goes wrong with a deferral, who saves, deletes, relates and logs in goes on unharmed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.backends.db import SessionStore
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections, transaction
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save, pre_delete
from django.dispatch import Signal
from django.test import Client, RequestFactory
from pytest_django import Settings

from deferred_signals import (
    ConfigurationError,
    DeferredSignalsError,
    DepthExceeded,
    MessageTooLarge,
    PublishError,
    SerializationError,
    register_type,
)
from tests.app.models import Label, Order
from tests.support.broker import Broker
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = pytest.mark.django_db(transaction=True)


def save() -> None:
    Order.objects.create().save(update_fields=["status"])
    assert Order.objects.count() == 1


def delete() -> None:
    Order.objects.create().delete()
    assert not Order.objects.exists()


def relate() -> None:
    order, label = Order.objects.create(), Label.objects.create(name="new")
    order.labels.add(label)
    order.labels.remove(label)
    order.labels.set([label])
    order.labels.clear()
    assert not order.labels.exists()


def log_in() -> None:
    request = RequestFactory().post("/login/")
    request.session = SessionStore()
    user = User.objects.create_user("ada", password="hush")
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    assert authenticate(request, username="ada", password="wrong") is None
    logout(request)


def ask_for_a_page() -> None:
    client = Client(raise_request_exception=False)
    try:
        assert client.get("/nowhere/").status_code == 404
    finally:  # the client disconnects these for a while, and forgets it where a receiver raises
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def fail_a_request() -> None:
    got_request_exception.send(None, request=RequestFactory().get("/"))


def migrate() -> None:
    config = apps.get_app_config("sessions")
    post_migrate.send(config, app_config=config, using="default", verbosity=0, interactive=False)


class Sent(NamedTuple):
    """A built-in signal, what sends it, and what its receivers need to ask for."""

    signal: Signal
    act: Callable[[], None]
    options: dict[str, Any] = {}  # noqa: RUF012 - never written into


SENT = {
    "post_save": Sent(post_save, save, {"sender": Order}),
    "pre_delete": Sent(pre_delete, delete, {"sender": Order, "opt_in": True}),
    "post_delete": Sent(post_delete, delete, {"sender": Order}),
    "m2m_changed": Sent(m2m_changed, relate),
    "user_logged_in": Sent(user_logged_in, log_in),
    "user_logged_out": Sent(user_logged_out, log_in),
    "user_login_failed": Sent(user_login_failed, log_in),
    "request_started": Sent(request_started, ask_for_a_page, {"opt_in": True}),
    "request_finished": Sent(request_finished, ask_for_a_page, {"opt_in": True}),
    "got_request_exception": Sent(got_request_exception, fail_a_request, {"opt_in": True}),
    "post_migrate": Sent(post_migrate, migrate, {"opt_in": True}),
}
sent = pytest.mark.parametrize("sent", SENT.values(), ids=SENT)


class Broken:
    """A value of a registered type whose encoder is broken."""

    secret = "swordfish"


def encode(value: Broken) -> str:
    raise KeyError(value.secret)


def decode(form: str) -> Broken:
    raise NotImplementedError


register_type(Broken, encode=encode, decode=decode, tag="tests.broken")


class Fault(NamedTuple):
    """What keeps calls from being deferred, and the error that tells of it."""

    error: type[Exception]
    captured: object = None
    settings: dict[str, Any] = {}  # noqa: RUF012 - never written into


FAULTS = {
    "value that cannot travel": Fault(SerializationError, object()),
    "value that is too large": Fault(MessageTooLarge, "x" * 300_000),
    "encoder that fails": Fault(KeyError, Broken()),
    "setting that is unknown": Fault(ConfigurationError, settings={"MAX_DEEPTH": 3}),
    "setting of a wrong type": Fault(ConfigurationError, settings={"SENSITIVE": 3}),
}
faults = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


def connect(defer: Connected, sent: Sent, fault: Fault, settings: Settings) -> None:
    options = {**sent.options}
    if fault.captured is not None:
        options["capture"] = lambda sender, **kwargs: {"captured": fault.captured}

    @defer(sent.signal, **options)
    def receive(sender: object, **kwargs: object) -> None: ...

    settings.DEFERRED_SIGNALS = fault.settings


@sent
@faults
@pytest.mark.usefixtures("outside_of_tests")
def test_sender_goes_on_and_the_loss_is_told(
    sent: Sent,
    fault: Fault,
    defer: Connected,
    broker: Broker,
    lifecycle: Lifecycle,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    connect(defer, sent, fault, settings)
    sent.act()
    settings.DEFERRED_SIGNALS = {}
    assert broker.take() == []
    assert set(lifecycle.names) == {"publish_failed"}
    for told in lifecycle.of("publish_failed"):
        assert told["sender"] is None
        assert told["messages"] == ()
        assert isinstance(told["exception"], DeferredSignalsError)
        assert fault.error in {type(told["exception"]), type(told["exception"].__cause__)}
    records = [record for record in caplog.records if record.name == "deferred_signals"]
    assert len(records) == len(lifecycle.seen)
    assert {record.levelname for record in records} == {"ERROR"}
    assert "swordfish" not in caplog.text


@sent
@faults
def test_sender_fails_in_tests(
    sent: Sent, fault: Fault, defer: Connected, lifecycle: Lifecycle, settings: Settings
) -> None:
    connect(defer, sent, fault, settings)
    with pytest.raises(fault.error):
        sent.act()
    assert lifecycle.seen == []


@pytest.fixture
def unknown_transport(make_current: MakeCurrent) -> None:
    """Make the broker one of a kind that kombu does not know."""
    make_current(broker_url="carrier-pigeon://")


@pytest.fixture
def broken_route(make_current: MakeCurrent) -> None:
    """Make a route of the project raise."""

    def route(name: str, *args: object, **kwargs: object) -> None:
        raise LookupError(name)

    make_current(broker_url="memory://", task_routes=(route,))


@pytest.fixture
def broken_settings_of_celerys(make_current: MakeCurrent) -> None:
    """Set routes that Celery cannot read."""
    make_current(broker_url="memory://", task_routes=3)


@sent
@pytest.mark.parametrize(
    "fault",
    ["broker_away", "unknown_transport", "broken_route", "broken_settings_of_celerys"],
)
@pytest.mark.usefixtures("outside_of_tests")
def test_sender_goes_on_where_nothing_can_be_published(
    sent: Sent,
    fault: str,
    defer: Connected,
    lifecycle: Lifecycle,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(fault)
    connect(defer, sent, Fault(Exception), request.getfixturevalue("settings"))
    request.getfixturevalue("configure")(KEEP_FOR=0)
    sent.act()
    assert set(lifecycle.names) == {"publish_failed"}
    for told in lifecycle.of("publish_failed"):
        assert isinstance(told["exception"], PublishError)
        assert told["messages"]


@pytest.mark.usefixtures("outside_of_tests")
def test_attribute_to_carry_that_raises_breaks_no_save(
    defer: Connected, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(self: Order) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Order, "ratio", property(raises), raising=False)

    @defer(post_save, sender=Order, carry=("ratio",))
    def receive(sender: object, **kwargs: object) -> None: ...

    save()
    causes = [told["exception"].__cause__ for told in lifecycle.of("publish_failed")]
    assert [type(cause) for cause in causes] == [ZeroDivisionError, ZeroDivisionError]


@pytest.mark.usefixtures("outside_of_tests")
def test_send_that_is_too_deep_breaks_no_save(
    defer: Connected, lifecycle: Lifecycle, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"EAGER": True, "MAX_DEPTH": 2}

    @defer(post_save, sender=Order)
    def save_again(sender: object, instance: Order, **kwargs: object) -> None:
        instance.save()

    save()
    assert {type(told["exception"]) for told in lifecycle.of("publish_failed")} == {DepthExceeded}
    assert "receiver_failed" not in lifecycle.names


@pytest.mark.usefixtures("outside_of_tests")
def test_transaction_of_a_sender_stays_usable(defer: Connected, lifecycle: Lifecycle) -> None:
    @defer(post_save, sender=Order, capture=lambda sender, **kwargs: {"odd": object()})
    def receive(sender: object, **kwargs: object) -> None: ...

    with transaction.atomic():
        Order.objects.create()
        assert lifecycle.names == ["publish_failed"]
        Order.objects.create()
    assert Order.objects.count() == 2


@pytest.mark.usefixtures("outside_of_tests")
def test_result_of_a_send_that_was_not_deferred_is_none(
    defer: Connected, lifecycle: Lifecycle
) -> None:
    @defer(post_save, sender=Label, capture=lambda sender, **kwargs: {"odd": object()})
    def receive(sender: object, **kwargs: object) -> None: ...

    for send in (post_save.send, post_save.send_robust):
        responses = send(Label, instance=Label(name="a"), created=True, raw=False)
        assert [response for _, response in responses] == [None]
