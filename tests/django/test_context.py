"""Context carriers: what surrounded the send is there again around the run."""

from typing import Any

import pytest
from django.dispatch import Signal
from django.utils import timezone, translation
from opentelemetry import baggage
from opentelemetry import context as otel
from pytest_django import Settings

from deferred_signals import Retry
from deferred_signals.context import Language, TimeZone
from deferred_signals.running import executor
from tests import carriers
from tests.conftest import Broker, Connected, Lifecycle

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
        (published,) = self._broker.take()
        self.outcome = executor.execute(published.message)
        return self.seen[-1]


@pytest.fixture
def around(signal: Signal, defer: Connected, broker: Broker) -> Surroundings:
    return Surroundings(signal, defer, broker)


def carry(settings: Settings, *names: str) -> None:
    paths = [name if "." in name else f"tests.carriers.{name}" for name in names]
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
    settings.DEFERRED_SIGNALS = {"CONTEXT": ("tests.carriers.Tenant",), "EAGER": True}
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
    assert isinstance(around.outcome, executor.Succeeded)
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
    settings.DEFERRED_SIGNALS = {"CONTEXT": ("tests.carriers.Tenant",), "EAGER": True}
    with pytest.raises(LookupError):
        around.send(fail=True)
    assert "receiver_failed" in lifecycle.names


@pytest.mark.parametrize("value", ["", "xx-nowhere", 7, ["de"], None, "../de"])
def test_language_that_there_is_not_is_refused(value: Any) -> None:
    with pytest.raises(Exception, match=r"language|unhashable|expected|type"):
        Language().restore(value)


@pytest.mark.parametrize("value", ["Mars/Olympus", float("nan"), 1e300, ["UTC"]])
def test_zone_that_there_is_not_is_refused(value: Any) -> None:
    with pytest.raises(Exception, match=r"."), TimeZone().restore(value):
        pass
