"""The library's metrics of all processes of the demo, as Prometheus would scrape them."""

import os
from functools import cache

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from deferred_signals.contrib import prometheus

#: The folder in which the processes add up what they count; the runner makes it.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def count() -> None:
    """Count what this process sends and runs."""
    if FOLDER in os.environ:
        prometheus.instrument()


@require_GET
def metrics(_request: HttpRequest) -> HttpResponse:
    """Show what all processes have counted, and how deep the outbox is."""
    if FOLDER not in os.environ:
        raise Http404(f"{FOLDER} is not set: no process counts.")
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


@cache
def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it has no annotations
    prometheus.observe_outbox(registry, every=1)  # a lease is over after three seconds here
    return registry
