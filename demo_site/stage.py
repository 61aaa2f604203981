"""What both ways to run the demo share: set up, start, and clean up."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import django
import httpx
from django.core.management import call_command
from django.db import connections
from rich.console import Console

from demo_site import celery_app
from demo_site.processes import Failed, Processes
from demo_site.report import step
from demo_site.services import check_broker, check_database
from demo_site.shop import customer

HOST = "127.0.0.1"


def prepare(folder: Path, queue: str) -> None:
    """Check that broker and database answer, then make the tables and the customer.

    Raises:
        BadUrl: one of them cannot be used.
    """
    # For this process and those that it starts.
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "demo_site.settings",
        "DEMO_VAR": str(folder),
        "DEMO_QUEUE": queue,
    }
    django.setup()
    check_broker(celery_app.conf.broker_url)
    check_database()
    call_command("migrate", verbosity=0)
    customer.create()
    connections.close_all()


def start(console: Console, processes: Processes, *ports: int) -> str:
    """Start the worker, then the site on the first port that is free; return the site's address."""
    address = f"{HOST}:{_free_port(*ports)}"
    with step(console, "Celery worker"):
        processes.start(
            "worker", "celery", "-A", "demo_site", "worker",
            "--concurrency=2", "--loglevel=INFO", f"--hostname=demo-{os.getpid()}@%h",
        )  # fmt: skip
        processes.wait_for(
            lambda: " ready." in processes.log("worker").read_text(), "the worker", seconds=30
        )
    url = f"http://{address}"
    with step(console, f"Site at {url}"):
        processes.start("site", "demo_site.manage", "runserver", "--noreload", address)
        processes.wait_for(lambda: _answers(url), "the site", seconds=30)
    return url


def delete_queue() -> None:
    """Delete the queue of this run from a broker that goes on running."""
    name = celery_app.conf.task_default_queue
    with (
        celery_app.connection_for_write() as connection,
        # If the broker is gone, the queue stays; the demo has already reported the failure.
        suppress(*connection.connection_errors, *connection.channel_errors),
    ):
        queue = celery_app.amqp.queues[name](connection.default_channel)
        queue.declare()
        queue.delete()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Refuse a second shop on the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("The shop is being served already: stop that one first.") from None
        yield


def _free_port(*ports: int) -> int:
    for port in ports:
        with socket.socket() as probe, suppress(OSError):
            # A port on which a site has just ended is free, too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            free: int = probe.getsockname()[1]
            return free
    raise Failed(f"Port {ports[0]} is taken: choose another one with --port.")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/", trust_env=False).is_success
    except httpx.TransportError:
        return False
