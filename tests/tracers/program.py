"""Runs the shop in this process, traced: `python -m tests.tracers.program with_sentry first`.

The program prints as JSON what was noted, and the parent of each span that the tracer finished.
"""

import json
import os
import sys
from importlib import import_module

import django


def main(name: str, order: str) -> None:
    """Set a tracer up, first or last, and run the shop."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.tracers.settings"
    tracer = import_module(f"tests.tracers.{name}")
    if order == "first":
        tracer.set_up()
    django.setup()
    shop = import_module("tests.tracers.shop")
    if order == "last":
        tracer.set_up()
    # Import it here: a worker is imported by the command that starts it, after the set-up.
    testing = import_module("celery.contrib.testing.worker")
    worker = testing.start_worker(
        shop.app, pool="solo", perform_ping_check=False, shutdown_timeout=60
    )
    with worker:
        noted = shop.serve(tracer.current)
    print(json.dumps({**noted, "parents": tracer.parents()}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
