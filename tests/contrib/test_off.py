"""A process has as much of telemetry as it asks for: none, or metrics without an outbox."""

import subprocess
import sys

PROGRAM = """
import sys

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["deferred_signals"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFERRED_SIGNALS={"EAGER": True},
)
django.setup()

from django.dispatch import Signal
from deferred_signals import receiver
from deferred_signals.worker import entry

signal = Signal()

@receiver(signal, deferred=True, name="off.receive")
def receive(sender, **kwargs): ...

signal.send(None)
names = ("deferred_signals.contrib", "opentelemetry", "prometheus_client")
print([name for name in sys.modules if name.startswith(names)])
"""


ON = """
from deferred_signals.contrib import opentelemetry, prometheus
from deferred_signals.errors import ConfigurationError
from prometheus_client import REGISTRY

prometheus.instrument()
opentelemetry.instrument(spans=False)
signal.send(None)
told = {"receiver": "off.receive", "outcome": "succeeded"}
print(REGISTRY.get_sample_value("deferred_signals_run_duration_seconds_count", told))
for kind in (prometheus, opentelemetry):
    try:
        kind.observe_outbox()
    except ConfigurationError as error:
        print(error)
"""


def written_by(program: str) -> list[str]:
    """Run a program, and return the lines that it writes."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_process_without_telemetry_imports_nothing_of_it() -> None:
    assert written_by(PROGRAM) == ["[]"]


def test_project_without_an_outbox_has_the_other_metrics() -> None:
    _, counted, *refused = written_by(PROGRAM + ON)
    assert counted == "1.0"
    assert [line.partition(".")[0] for line in refused] == [
        "observe_outbox() was called, and there is no outbox"
    ] * 2
