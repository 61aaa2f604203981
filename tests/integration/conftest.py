"""Real workers on real brokers, through pytest-celery's fixtures.

The plugin would start each node as a Docker container. Here a node is a local process, which is
quicker, needs no engine, and lets a test kill one child of a worker. With
`DEFERRED_SIGNALS_TEST_NODES=docker` the brokers are the plugin's own containers; the worker, which
has to import this checkout and to reach the test database, stays a local process.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from django.conf import settings
from django.db import connections
from django.test import override_settings
from pytest_celery import CeleryTestBroker, CeleryTestWorker
from xdist.scheduler import LoadScopeScheduling

from deferred_signals.testing import live
from tests.project.celery import app
from tests.project.databases import database_url
from tests.project.settings import transport_options
from tests.support.processes import free_port
from tests.support.services import POSTGRES, absent, listens

from .comparison import comparison  # noqa: F401 - a fixture
from .durable import short_leases  # noqa: F401 - a fixture
from .faults import faults  # noqa: F401 - a fixture
from .kept_workers import (
    NODE,
    end_kept_worker,
    end_kept_workers,
    is_at_rest,
    keep,
    kept_worker,
    made_of,
)
from .nodes import DOCKER, Broker, LocalWorker
from .outages import send, told  # noqa: F401 - fixtures
from .workers import forget_connections, make_worker, published_to

BROKERS = ("redis", "rabbitmq")

# Programs, which make settings of their own.
collect_ignore = [
    "counted_program.py",
    "durable_sender.py",
    "interrupted_sender.py",
    "server_program.py",
    "soak_sender.py",
    "spilling_program.py",
]

if DOCKER:

    @pytest.fixture
    def default_redis_broker_ports() -> dict[str, int]:
        """Keep the port over a restart: the worker knows it by its URL."""
        return {"6379/tcp": free_port()}

    @pytest.fixture
    def default_rabbitmq_broker_ports() -> dict[str, int]:
        """Keep the port over a restart."""
        return {"5672/tcp": free_port()}

else:
    from .local_brokers import (  # noqa: F401 - fixtures
        default_rabbitmq_broker,
        default_redis_broker,
        rabbitmq_node,
        redis_node,
    )


def pytest_configure(config: pytest.Config) -> None:
    # The oldest kombu that is supported asks redis-py in a way that is deprecated by now.
    config.addinivalue_line("filterwarnings", "ignore:Call to 'get_connection':DeprecationWarning")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that count what faults do, which `make chaos` runs."""
    for item in items:
        if "faults" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session", autouse=True)
def database_server() -> None:
    """Skip or fail before Django tries to make a test database where no server is."""
    default = database_url(settings.DATABASES["default"])
    if urlsplit(default).hostname and not listens(default):
        absent(f"The database server does not answer; {POSTGRES.variable} says where it is.")


@pytest.fixture(autouse=True)
def publishing() -> Iterator[None]:
    """Publish to the brokers, which are the tests' own."""
    with live():
        yield


class OneBrokerAProcess(LoadScopeScheduling):  # type: ignore[misc]
    """Run the tests of one broker in one process of `pytest -n 2`, so that each broker starts once."""

    def _split_scope(self, nodeid: str) -> str:
        brokers = (broker for broker in BROKERS if f"[{broker}" in nodeid)
        return next(brokers, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneBrokerAProcess:
    return OneBrokerAProcess(config, log)


@pytest.fixture(params=[f"celery_{broker}_broker" for broker in BROKERS], ids=BROKERS)
def celery_broker(request: pytest.FixtureRequest) -> CeleryTestBroker:
    """Run each test on both brokers; the plugin's list is a set, with another order each day."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=BROKERS)
def node(request: pytest.FixtureRequest) -> Broker:
    """Run the test on each broker, without a worker: for tests that look at what is published."""
    found: Broker = request.getfixturevalue(f"default_{request.param}_broker")
    end_kept_worker(found.host_url)
    return found


@pytest.fixture
def broker(node: Broker) -> Iterator[Broker]:
    """Publish what the test sends to each broker, for the workers that the test starts itself."""
    with published_to(node):
        yield node


@pytest.fixture
def celery_backend_cluster() -> None:
    """Do without results: what ran is counted in the database."""


@pytest.fixture
def celery_worker(celery_setup_worker: CeleryTestWorker) -> CeleryTestWorker:
    return celery_setup_worker


@pytest.fixture
def celery_setup_app(
    transactional_db: None,
    celery_setup_config: dict[str, Any],
) -> Iterator[Celery]:
    """Point the project's own app, on which the receivers' tasks are, at the test's broker.

    `transactional_db` has to be asked for here: pytest-django sees only what fixtures ask for by
    name. Asked for by a fixture that is found at run time, the test would use the REAL database.
    """
    url = celery_setup_config["broker_url"]
    with override_settings(
        CELERY_BROKER_URL=url, CELERY_BROKER_TRANSPORT_OPTIONS=transport_options(url)
    ):
        forget_connections(app)
        yield app
    # pytest-celery's `broker.restart()` writes it down here, where it would outlive the test.
    app.conf.changes.pop("broker_url", None)  # type: ignore[union-attr]
    forget_connections(app)


@pytest.fixture
def default_worker_env(
    transactional_db: None,  # so that the worker is at rest before the tables are emptied
    celery_worker_cluster_config: dict[str, Any],
) -> dict[str, str]:
    """Tell the worker where the test's broker and databases are."""
    return {
        "BROKER_URL": celery_worker_cluster_config["celery_broker_cluster_config"]["host_urls"][0],
        "DATABASE_URL": database_url(connections["default"].settings_dict),
        "OTHER_DATABASE_URL": database_url(connections["other"].settings_dict),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "default::DeprecationWarning",
        "DEFERRED_SIGNALS": json.dumps({"MAX_REDELIVERIES": 2}),
        "TESTS_APP_MODULES": "tests.app.fault_receivers",
    }


@pytest.fixture
def spawn_worker(
    default_worker_env: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., LocalWorker]]:
    """Start workers with options of the test's choice: `spawn_worker("-P", "solo")`."""
    workers: list[LocalWorker] = []

    def spawn(*options: str) -> LocalWorker:
        workers.append(
            make_worker(f"worker{len(workers) + 1}", options, default_worker_env, tmp_path)
        )
        workers[-1].process.start()
        return workers[-1]

    try:
        yield spawn
    finally:
        for worker in workers:
            worker.process.kill()


@pytest.fixture(scope="session")
def end_of_kept_workers(django_db_setup: None) -> Iterator[None]:
    """End the workers that stayed from test to test, before the test database is dropped."""
    yield
    end_kept_workers()


@pytest.fixture
def default_worker_container(
    request: pytest.FixtureRequest,
    end_of_kept_workers: None,
    celery_setup_app: Celery,
    default_worker_env: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalWorker]:
    """Start the test's worker, with the options of the test's mark `worker`, or with two children.

    The worker stays for the next test that wants the same, unless this one left it dead or busy.
    """
    mark = request.node.get_closest_marker("worker")
    options = mark.args if mark else ("-P", "prefork", "-c", "2", "-Q", "celery,aside")
    url = default_worker_env["BROKER_URL"]
    like = made_of(options, default_worker_env)
    worker = kept_worker(url, like)
    if worker is None:
        worker = make_worker(
            "resident", options, default_worker_env, tmp_path_factory.mktemp("worker")
        )
        keep(url, worker, like)
        worker.process.start()
    else:
        worker.forget_logs()
    yield worker
    alive = worker.process.alive
    if DOCKER or not (alive and is_at_rest(celery_setup_app, NODE)):
        end_kept_worker(url)
