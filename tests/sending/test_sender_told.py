"""What reaches a sender, of the project's own signals and of others': a closed list."""

import asyncio
import sys
import sysconfig
from collections.abc import Callable
from types import ModuleType

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

from deferred_signals import (
    ConfigurationError,
    DepthExceeded,
    InvalidReceiver,
    MessageTooLarge,
    PublishError,
    SerializationError,
    register_type,
)
from deferred_signals.context import Carrier
from tests.app.models import Order
from tests.support.broker import Broker
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("outside_of_tests")]


def receive(sender: object, **kwargs: object) -> None:
    """Never run: no test here delivers the message."""


@pytest.fixture
def package_signal(signal: Signal, monkeypatch: pytest.MonkeyPatch) -> Signal:
    """Make the signal one of an installed package."""
    module = ModuleType("pkg.signals")
    module.__file__ = f"{sysconfig.get_path('purelib')}/pkg/signals.py"
    vars(module)["paid"] = signal
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return signal


@pytest.mark.parametrize(
    ("value", "error"), [(object(), SerializationError), ("x" * 300_000, MessageTooLarge)]
)
def test_sender_of_the_projects_own_signal_is_told_what_cannot_travel(
    value: object, error: type[Exception], signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    defer(signal)(receive)
    with pytest.raises(error):
        signal.send(None, value=value)
    assert lifecycle.seen == []


@pytest.mark.parametrize(
    ("value", "error"), [(object(), SerializationError), ("x" * 300_000, MessageTooLarge)]
)
def test_sender_of_a_packages_signal_is_not(
    value: object,
    error: type[Exception],
    package_signal: Signal,
    defer: Connected,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    defer(package_signal, name="tests.named")(receive)
    assert [result for _, result in package_signal.send(None, value=value)] == [None]
    (told,) = lifecycle.of("publish_failed")
    assert type(told["exception"]) is error
    (record,) = caplog.records
    for part in ("tests.named", "pkg.signals.paid", error.__name__):
        assert part in record.getMessage()
    assert record.__dict__["deferred_receiver"] == "tests.named"


def test_sender_of_the_projects_own_signal_is_told_of_a_chain_that_is_too_deep(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, configure: Callable[..., None]
) -> None:
    configure(EAGER=True, MAX_DEPTH=2)

    @defer(signal, retry=None)
    def send_again(sender: object, **kwargs: object) -> None:
        signal.send(None)

    with pytest.raises(DepthExceeded):
        signal.send(None)
    assert lifecycle.of("publish_failed") == []


def test_wrong_setting_is_reported_and_reaches_nobody(
    signal: Signal, defer: Connected, lifecycle: Lifecycle, configure: Callable[..., None]
) -> None:
    defer(signal)(receive)
    configure(MAX_DEEPTH=3)
    signal.send(None)
    (told,) = lifecycle.of("publish_failed")
    assert isinstance(told["exception"], ConfigurationError)


def test_alias_that_is_no_database_is_reported(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    defer(signal)(receive)
    signal.send(None, using="e-mail")
    (told,) = lifecycle.of("publish_failed")
    assert isinstance(told["exception"], ConfigurationError)


class Raising:
    """A value of a registered type whose encoder raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def encode(value: Raising) -> str:
    raise value.error


def decode(form: str) -> Raising:
    raise NotImplementedError


register_type(Raising, encode=encode, decode=decode, tag="tests.raising")


@pytest.mark.parametrize("own", [True, False])
def test_unexpected_error_is_reported_and_reaches_nobody(
    own: bool,
    defer: Connected,
    lifecycle: Lifecycle,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    signal = request.getfixturevalue("signal" if own else "package_signal")
    defer(signal)(receive)
    assert [result for _, result in signal.send(None, value=Raising(ZeroDivisionError()))] == [None]
    (told,) = lifecycle.of("publish_failed")
    assert isinstance(told["exception"], PublishError)
    assert isinstance(told["exception"].__cause__, ZeroDivisionError)
    assert "ZeroDivisionError" in caplog.text
    assert "encode.py" in caplog.text  # where to look


class Odd(Exception):
    """Raised by callables of the project's."""


def fail(sender: object, **kwargs: object) -> None:
    raise Odd from LookupError("why")


OPTIONS = ["when", "capture", "coalesce", "queue", "priority", "countdown", "expires"]


@pytest.mark.parametrize("option", OPTIONS)
def test_what_the_projects_callables_raise_reaches_every_sender(
    option: str, defer: Connected, lifecycle: Lifecycle
) -> None:
    defer(post_save, sender=Order, **{option: fail})(receive)
    with pytest.raises(Odd) as caught:
        Order.objects.create()
    assert isinstance(caught.value.__cause__, LookupError)
    assert caught.value.__context__ is None
    assert caught.traceback[-1].name == "fail"
    assert lifecycle.seen == []


def fail_to_travel(sender: object, **kwargs: object) -> None:
    raise SerializationError("mine")


@pytest.mark.parametrize("option", OPTIONS)
def test_error_of_the_librarys_that_a_callable_raises_is_the_callables(
    option: str, defer: Connected
) -> None:
    defer(post_save, sender=Order, **{option: fail_to_travel})(receive)
    with pytest.raises(SerializationError, match="mine"):
        Order.objects.create()


@pytest.mark.parametrize(
    ("option", "given"), [("coalesce", []), ("queue", 3), ("priority", 300), ("countdown", -1)]
)
def test_what_a_callable_must_not_give_reaches_every_sender(
    option: str, given: object, defer: Connected
) -> None:
    defer(post_save, sender=Order, **{option: lambda sender, **kwargs: given})(receive)
    with pytest.raises(InvalidReceiver, match=option):
        Order.objects.create()


def test_send_in_a_coroutine_is_refused_everywhere(defer: Connected) -> None:
    defer(post_save)(receive)

    async def send() -> None:
        post_save.send(Order, instance=Order(pk=1), created=True, using="default")

    with pytest.raises(SynchronousOnlyOperation, match="asend"):
        asyncio.run(send())


def test_send_without_a_transaction_that_can_be_followed_is_refused_everywhere(
    defer: Connected,
) -> None:
    defer(post_save, sender=Order)(receive)
    order = Order.objects.create()
    transaction.set_autocommit(False)
    try:
        with pytest.raises(TransactionManagementError, match="atomic"):
            post_save.send(Order, instance=order, created=False, using="default")
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@pytest.mark.usefixtures("eager")
def test_failure_of_a_receiver_in_eager_mode_reaches_the_sender(defer: Connected) -> None:
    @defer(post_save, sender=Order, retry=None)
    def receive(sender: object, **kwargs: object) -> None:
        raise Odd

    with pytest.raises(Odd):
        Order.objects.create()


def test_sender_needs_no_connection_to_the_database(
    signal: Signal, defer: Connected, broker: Broker
) -> None:
    defer(signal)(receive)
    connection.close()
    signal.send(None)
    assert connection.connection is None
    assert len(broker.take()) == 1


def test_soft_time_limit_of_a_task_is_passed_on(
    signal: Signal, defer: Connected, lifecycle: Lifecycle
) -> None:
    defer(signal)(receive)
    with pytest.raises(SoftTimeLimitExceeded):
        signal.send(None, value=Raising(SoftTimeLimitExceeded()))
    assert lifecycle.seen == []


class Tenant(Carrier):
    """A carrier without which nothing may go on."""

    key = "tenant"
    required = True

    def take(self) -> str:
        raise Odd

    def restore(self, value: object) -> None:  # type: ignore[override]  # never called
        raise NotImplementedError


def test_what_a_required_carrier_raises_reaches_every_sender(
    defer: Connected, configure: Callable[..., None], lifecycle: Lifecycle
) -> None:
    configure(CONTEXT=["tests.sending.test_sender_told.Tenant"])
    defer(post_save, sender=Order)(receive)
    with pytest.raises(Odd):
        Order.objects.create()
    assert lifecycle.seen == []
