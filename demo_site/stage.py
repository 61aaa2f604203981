"""What both ways to run the demo share: set up, start, and clean up."""

import fcntl
import os
import shlex
import shutil
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


@contextmanager
def broker(processes: Processes) -> Iterator[str | None]:
    """Give the demo a broker of its own, unless BROKER_URL names one; return how to choose another."""
    if os.environ.get("BROKER_URL"):
        yield None
        return
    port = free_port(0)
    os.environ["BROKER_URL"] = f"redis://{HOST}:{port}/0"
    try:
        processes.start("broker", "demo_site.broker", str(port))
        processes.wait_for(lambda: _listens(port), "the broker", seconds=30)
        yield "fakeredis, started for this demo; BROKER_URL chooses a Redis or RabbitMQ"
    finally:
        del os.environ["BROKER_URL"]


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
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    (folder / "newer").unlink(missing_ok=True)
    shutil.rmtree(folder / "metrics", ignore_errors=True)
    (folder / "metrics").mkdir()
    django.setup()
    check_broker(celery_app.conf.broker_url)
    check_database()
    call_command("migrate", verbosity=0)
    customer.create()
    connections.close_all()


def start(console: Console, processes: Processes, *ports: int) -> str:
    """Start the worker, then the site on the first port that is free; return the site's address."""
    address = f"{HOST}:{free_port(*ports)}"
    with step(console, "Celery worker"):
        processes.start(
            "worker", "celery", "-A", "demo_site", "worker",
            "--concurrency=2", "--loglevel=INFO", f"--hostname=demo-{os.getpid()}@%h",
        )  # fmt: skip
        url = f"http://{address}"
        processes.wait_for(lambda: is_ready("worker", processes, url), "the worker", seconds=30)
    with step(console, f"Site at {url}"):
        processes.start("site", "demo_site.manage", "runserver", "--noreload", address)
        processes.wait_for(lambda: is_ready("site", processes, url), "the site", seconds=30)
    return url


def is_ready(name: str, processes: Processes, url: str) -> bool:
    """Return whether the site at ``url``, or the worker, does its work."""
    if name == "site":
        return _answers(url)
    return " ready." in processes.output(name)


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


def write_environment(folder: Path) -> None:
    """Write the environment of the demo's processes, for a shell that is to use them."""
    names = (
        "BROKER_URL",
        "DATABASE_URL",
        "DEMO_QUEUE",
        "DEMO_VAR",
        "DJANGO_SETTINGS_MODULE",
        "PROMETHEUS_MULTIPROC_DIR",
    )
    lines = [
        f"export {name}={shlex.quote(os.environ[name])}\n" for name in names if name in os.environ
    ]
    file = folder / "env"
    file.touch(mode=0o600)  # a URL may hold a password
    file.write_text("".join(lines))


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


def free_port(*ports: int) -> int:
    """Return the first port that is free; with 0 the system chooses one."""
    for port in ports:
        with socket.socket() as probe, suppress(OSError):
            # A port on which a site has just ended is free, too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            free: int = probe.getsockname()[1]
            return free
    raise Failed(f"Port {ports[0]} is taken: choose another one with --port.")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/", trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False
