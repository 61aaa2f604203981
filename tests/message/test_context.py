"""Context carriers: what surrounded the send is there again around the run."""

import gc
import re
import threading
import weakref
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.signals import request_finished
from django.db import connections, transaction
from django.dispatch import Signal
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from opentelemetry import baggage
from opentelemetry import context as otel
from pytest_django import Settings

from deferred_signals import Retry, SerializationError, decoded, send_again
from deferred_signals.context import Carrier, Language, TimeZone
from deferred_signals.errors import ContextNotRestored
from deferred_signals.running.outcomes import Retrying, Succeeded
from deferred_signals.sending.destinations import Destination, using_destination
from tests.app.models import Label
from tests.project.celery import app
from tests.support import carriers
from tests.support.acting import Acting
from tests.support.broker import Broker
from tests.support.celery_messages import SendTogether, take_celery_messages
from tests.support.connected import Connected
from tests.support.lifecycle import Lifecycle
from tests.support.messages import execute

if TYPE_CHECKING:
    from deferred_signals.message.outgoing import Outgoing

pytestmark = pytest.mark.django_db(transaction=True)

DEFAULTS = ("deferred_signals.context.Language", "deferred_signals.context.TimeZone")


class Surroundings:
    """A receiver that looks around, while nothing of the send surrounds it any more."""

    def __init__(self, signal: Signal, defer: Connected, broker: Broker) -> None:
        self.seen: list[dict[str, Any]] = []
        self._signal, self._broker = signal, broker
        defer(signal, name="tests.surroundings", retry=Retry(max_attempts=2))(self.look)

    def look(self, sender: object, *, fail: bool = False, **kwargs: object) -> None:
        self.seen.append(
            {
                "language": translation.get_language(),
                "zone": str(timezone.get_current_timezone()),
                "request_id": carriers.request_id.get(),
                "tenant": carriers.tenant.get(),
                "baggage": dict(baggage.get_all()),
            }
        )
        if fail:
            raise LookupError

    def send(self, **kwargs: object) -> None:
        self._signal.send(None, **kwargs)

    def run(self) -> dict[str, Any]:
        """Run what was published, outside of what surrounded the send."""
        self.run_only()
        return self.seen[-1]

    def run_only(self) -> None:
        """Run as `run` does, where the receiver may not be reached."""
        (published,) = self._broker.take()
        self.outcome = execute(published.message)


@pytest.fixture
def around(signal: Signal, defer: Connected, broker: Broker) -> Surroundings:
    return Surroundings(signal, defer, broker)


def carry(settings: Settings, *names: str) -> None:
    paths = [name if "." in name else f"tests.support.carriers.{name}" for name in names]
    settings.DEFERRED_SIGNALS = {"CONTEXT": tuple(paths)}


def test_language_and_time_zone_travel_by_default(around: Surroundings) -> None:
    zone = timezone.get_current_timezone_name()
    with translation.override("de"), timezone.override("Asia/Kathmandu"):
        around.send()
    seen = around.run()
    assert (seen["language"], seen["zone"]) == ("de", "Asia/Kathmandu")
    assert translation.get_language() == "en-us"
    assert timezone.get_current_timezone_name() == zone


def test_defaults_of_the_project_take_no_place_in_the_message(
    around: Surroundings, broker: Broker
) -> None:
    around.send()
    (published,) = broker.take()
    assert published.message.context == {}


def test_language_that_is_switched_off_does_not_become_the_workers(around: Surroundings) -> None:
    with translation.override(None):
        around.send()
    assert around.run()["language"] == "en-us"


def test_zone_without_a_name_travels_as_its_offset(around: Surroundings) -> None:
    with timezone.override(timezone.get_fixed_timezone(90)):
        around.send()
    assert around.run()["zone"] == "+0130"


def test_request_id_and_tenant_travel_by_carriers_of_the_project(
    around: Surroundings, settings: Settings
) -> None:
    carry(settings, "RequestId", "Tenant")
    with carriers.RequestId().restore("r-7"), carriers.Tenant().restore("acme"):
        around.send()
    seen = around.run()
    assert (seen["request_id"], seen["tenant"]) == ("r-7", "acme")
    assert (carriers.request_id.get(), carriers.tenant.get()) == (None, "public")


def test_context_is_there_again_in_every_attempt_and_for_what_is_sent_then(
    around: Surroundings, settings: Settings
) -> None:
    settings.DEFERRED_SIGNALS = {"CONTEXT": ("tests.support.carriers.Tenant",), "EAGER": True}
    with carriers.Tenant().restore("acme"), pytest.raises(LookupError):
        around.send(fail=True)
    assert [seen["tenant"] for seen in around.seen] == ["acme", "acme"]


def test_baggage_of_opentelemetry_travels(around: Surroundings, settings: Settings) -> None:
    carry(settings, "deferred_signals.context.Baggage")
    token = otel.attach(baggage.set_baggage("shop", "tea & ☃"))
    around.send()
    otel.detach(token)
    assert around.run()["baggage"] == {"shop": "tea & ☃"}
    assert baggage.get_all() == {}


def test_no_baggage_takes_no_place(
    around: Surroundings, settings: Settings, broker: Broker
) -> None:
    carry(settings, "deferred_signals.context.Baggage")
    around.send()
    (published,) = broker.take()
    assert published.message.context == {}


@pytest.mark.parametrize(
    "name",
    [
        "FailsAtSend",
        "TakesWhatCannotTravel",
        "TakesNan",
        "FailsAtRun",
        "FailsOnEntry",
        "FailsOnExit",
        "NotThere",
        "no.such.module",
    ],
)
def test_carrier_that_fails_is_logged_and_nothing_is_lost(
    name: str, around: Surroundings, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    carry(settings, name, "Tenant")
    with carriers.Tenant().restore("acme"):
        around.send()
    assert around.run()["tenant"] == "acme"
    assert isinstance(around.outcome, Succeeded)
    assert len(around.seen) == 1
    assert any(name in record.getMessage() and record.exc_info for record in caplog.records)


def test_carrier_that_the_worker_has_no_more_is_left_out(
    around: Surroundings, settings: Settings
) -> None:
    carry(settings, "Tenant")
    with carriers.Tenant().restore("acme"):
        around.send()
    carry(settings, *DEFAULTS)
    assert around.run()["tenant"] == "public"


def test_failure_of_the_receiver_is_seen_through_the_carriers(
    around: Surroundings, settings: Settings, lifecycle: Lifecycle
) -> None:
    settings.DEFERRED_SIGNALS = {"CONTEXT": ("tests.support.carriers.Tenant",), "EAGER": True}
    with pytest.raises(LookupError):
        around.send(fail=True)
    assert "receiver_failed" in lifecycle.names


def test_carrier_that_is_required_is_restored_as_others_are(
    around: Surroundings, settings: Settings
) -> None:
    carry(settings, "Account")
    with carriers.Tenant().restore("acme"):
        around.send()
    assert around.run()["tenant"] == "acme"
    assert isinstance(around.outcome, Succeeded)


@pytest.mark.parametrize(
    ("at_send", "at_run", "tenant", "reason"),
    [
        ("Account", "Account", "gone", r"its restore\(\) failed with LookupError"),
        ("Account", "Account", "public", "the message has no value of it"),
        ("Language", "Account", "acme", "the message has no value of it"),
        ("Tenant", "Account", "acme", "the message has no value of it"),
        ("Account", "AccountThatCannotBeMade", "acme", r"its restore\(\) failed with LookupError"),
    ],
    ids=["fails", "nothing taken", "not taken", "another taken", "cannot be made"],
)
def test_attempt_without_a_required_carrier_fails_before_a_row_is_fetched(
    around: Surroundings,
    settings: Settings,
    lifecycle: Lifecycle,
    django_assert_num_queries: Any,
    at_send: str,
    at_run: str,
    tenant: str,
    reason: str,
) -> None:
    label = Label.objects.create(name="fragile")
    carry(settings, DEFAULTS[0] if at_send == "Language" else at_send)
    with carriers.Tenant().restore(tenant):
        around.send(label=label)
    carry(settings, "RequestId", at_run)
    with django_assert_num_queries(0):
        around.run_only()
    assert around.seen == []
    assert isinstance(around.outcome, Retrying)
    assert isinstance(around.outcome.exception, ContextNotRestored)
    assert re.search(reason, str(around.outcome.exception))
    assert "swordfish" not in str(around.outcome.exception)
    assert lifecycle.names[-1] == "receiver_started"
    assert carriers.tenant.get() == "public"


def test_attempts_without_a_required_carrier_are_counted_whatever_on_says(
    signal: Signal, defer: Connected, broker: Broker, settings: Settings, lifecycle: Lifecycle
) -> None:
    carry(settings, "Account")
    ran = []
    retry = Retry(on=ConnectionError, max_attempts=3, wait_jitter=0)
    defer(signal, retry=retry)(lambda sender, **kwargs: ran.append(kwargs))
    with carriers.Tenant().restore("gone"):
        signal.send(None)
    states = [
        celery_message.deliver() for _ in range(3) for celery_message in take_celery_messages()
    ]
    assert (states, ran) == (["RETRY", "RETRY", "FAILURE"], [])
    (told,) = lifecycle.of("receiver_failed")
    assert isinstance(told["exception"], ContextNotRestored)
    assert isinstance(told["exception"].__cause__, LookupError)


def test_rows_of_a_chunk_are_not_read_ahead_without_a_required_carrier(
    chunked: Acting,
    send_together: SendTogether,
    settings: Settings,
    lifecycle: Lifecycle,
    django_assert_num_queries: Any,
) -> None:
    label = Label.objects.create(name="fragile")
    carry(settings, "Account")
    with carriers.Tenant().restore("gone"):
        (celery_message,) = send_together(3, label=label)
    with django_assert_num_queries(0):
        celery_message.deliver()
    assert chunked.ran == []
    assert [type(told["exception"]) for told in lifecycle.of("receiver_retrying")] == (
        [ContextNotRestored] * 3
    )


def test_required_carrier_that_fails_at_send_meets_the_sender(
    around: Surroundings, settings: Settings, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    carry(settings, "Account")
    with carriers.Tenant().restore("nobody"), pytest.raises(PermissionError, match="no account"):
        around.send()
    assert broker.take() == []
    assert caplog.records == []


def test_required_carrier_that_takes_what_cannot_travel_meets_the_sender(
    around: Surroundings, settings: Settings, broker: Broker
) -> None:
    carry(settings, "AccountOfAnotherType")
    with pytest.raises(SerializationError, match="AccountOfAnotherType"):
        around.send()
    assert broker.take() == []


def test_error_of_the_receiver_is_not_taken_for_one_of_its_context(
    around: Surroundings, settings: Settings, lifecycle: Lifecycle
) -> None:
    carry(settings, "Account")
    with carriers.Tenant().restore("acme"):
        around.send(fail=True)
    around.run()
    assert isinstance(around.outcome, Retrying)
    assert type(around.outcome.exception) is LookupError


def test_message_is_decoded_and_sent_again_in_its_context(
    around: Surroundings, settings: Settings, broker: Broker
) -> None:
    carry(settings, "Account")
    with carriers.Tenant().restore("acme"):
        around.send()
    (published,) = broker.take()
    send_again(published.message)
    assert around.run()["tenant"] == "acme"
    with pytest.raises(ContextNotRestored):
        decoded(replace(published.message, context={}))


def contexts(broker: Broker) -> list[dict[str, Any]]:
    """Return the contexts of what was published."""
    return [published.message.context for published in broker.take()]


def test_each_send_of_a_transaction_takes_what_is_active_then(
    around: Surroundings, broker: Broker
) -> None:
    with transaction.atomic():
        around.send()
        with translation.override("de"):
            around.send()
            around.send()
            with timezone.override("Asia/Tokyo"):
                around.send()
            around.send()
        around.send()
    german = {"language": "de"}
    there = {**german, "time_zone": "Asia/Tokyo"}
    assert contexts(broker) == [{}, german, german, there, german, {}]


def test_language_and_zone_that_are_deactivated_are_taken_no_more(
    around: Surroundings, broker: Broker
) -> None:
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    around.send()
    timezone.deactivate()
    around.send()
    translation.deactivate()
    around.send()
    assert contexts(broker) == [
        {"language": "de", "time_zone": "Asia/Tokyo"},
        {"language": "de"},
        {},
    ]


def test_default_that_changes_is_seen_at_the_next_send(
    around: Surroundings, broker: Broker, settings: Settings
) -> None:
    with translation.override("de"):
        around.send()
        settings.LANGUAGE_CODE = "de"
        around.send()
    assert contexts(broker) == [{"language": "de"}, {}]


def test_carrier_of_the_project_is_asked_at_each_send(
    around: Surroundings, broker: Broker, settings: Settings
) -> None:
    carry(settings, "Asked", *DEFAULTS)
    first = carriers.Asked.times + 1
    around.send()
    around.send()
    assert contexts(broker) == [{"asked": first}, {"asked": first + 1}]


class Steps(Carrier):
    """The steps so far, in a list that goes on growing."""

    key = "steps"
    taken: ClassVar[list[str]] = []

    def take(self) -> list[str]:
        """Take the list itself."""
        return self.taken

    def restore(self, value: Any) -> AbstractContextManager[None]:
        """Restore nothing."""
        return nullcontext()


def test_message_keeps_what_a_carrier_took_when_the_carrier_goes_on_writing(
    around: Surroundings, settings: Settings
) -> None:
    carry(settings, f"{__name__}.Steps")
    left: list[Outgoing] = []
    Steps.taken[:] = ["sent"]
    with using_destination(Destination(left.extend, local=True)):
        around.send()
    Steps.taken.append("later")
    (outgoing,) = left
    assert outgoing.message.context == {"steps": ["sent"]}


def test_other_thread_takes_what_is_active_there(around: Surroundings, broker: Broker) -> None:
    active = []

    def send() -> None:
        app.set_current()  # Celery's current app is a thread's
        active.append(translation.get_language())  # asgiref 3.8 shows another thread's
        around.send()
        connections.close_all()

    with translation.override("de"):
        around.send()
        thread = threading.Thread(target=copy_context().run, args=[send])
        thread.start()
        thread.join()
        around.send()
    german = {"language": "de"}
    there = {"de": german, "en-us": {}}[active[0]]
    assert contexts(broker) == [german, there, german]


something: ContextVar[object] = ContextVar("something", default=None)


def test_values_of_other_variables_are_not_asked_anything(around: Surroundings) -> None:
    for _ in range(3):
        lazy = SimpleLazyObject(lambda: pytest.fail("it was looked into"))
        token = something.set(lazy)
        around.send()
        something.reset(token)


class Big:
    """Something that a request keeps in a variable."""


def test_nothing_of_a_request_is_kept_alive(around: Surroundings) -> None:
    big = Big()
    gone = weakref.ref(big)
    token = something.set(big)
    around.send()
    something.reset(token)
    del big, token
    request_finished.send(None)
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("value", ["", "xx-nowhere", 7, ["de"], None, "../de"])
def test_language_that_there_is_not_is_refused(value: Any) -> None:
    with pytest.raises(Exception, match=r"language|unhashable|expected|type"):
        Language().restore(value)


@pytest.mark.parametrize("value", ["Mars/Olympus", float("nan"), 1e300, ["UTC"]])
def test_zone_that_there_is_not_is_refused(value: Any) -> None:
    with pytest.raises(Exception, match=r"."), TimeZone().restore(value):
        pass
