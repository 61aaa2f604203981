"""The matrix: every Python, Django and Celery that the library supports."""

import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = os.environ.get("CI") == "true"

# Test on the interpreters that this machine has: to fetch others is not a test's business.
os.environ["UV_PYTHON_DOWNLOADS"] = "never"

# Once here, instead of in each process that a test starts.
os.environ["UV_COMPILE_BYTECODE"] = "1"

PROJECT = nox.project.load_toml("pyproject.toml")
GROUPS = nox.project.dependency_groups(PROJECT, "test")

# The plugin's tests start a pytest each, and hang on neither Django nor Celery.
FAST = ("--ignore=tests/integration", "--ignore=tests/testing/test_plugin.py", "-n", "auto")

# `make test` runs all tests on Python 3.11 with Django 5.2, as CI's `python3` is 3.11. The newest pair has
# all fast ones. Each other pair has those that a new release breaks first, which pin private interfaces;
# Python 3.12 with Django 5.2 has them in `wheel`. Django 6 wants Python 3.12.
PAIRS = [("3.12", "6.0"), ("3.12", "6.1"), ("3.13", "5.2"), ("3.13", "6.0")]
PINNING = set(re.findall(r"`(tests/[^`:]+\.py)::", Path("CONTRIBUTING.md").read_text()))
PINS = tuple(sorted(PINNING - {"tests/testing/test_plugin.py"}))

# What the library does about killed processes leans on parts of the worker that Celery's documentation
# does not name.
ON_WORKERS = (
    "durable.py",
    "faults_children.py",
    "faults_workers.py",
    "monitors.py",
    "running.py",
    "waits.py",
)

# What depends on a database's driver: connections, their loss, forks, and the values of times.
ON_MYSQLCLIENT = (
    "claims",
    "command",
    "connections",
    "interrupted",
    "store",
    "store_forks",
    "running",
)


@nox.session(python="3.13")
def newest(session: nox.Session) -> None:
    """Run all fast tests with the newest Python, Django and Celery."""
    session.install("-e", ".", *GROUPS, "django==6.1.*")
    session.run("pytest", *FAST, *session.posargs)


@nox.session
@nox.parametrize("python,django", PAIRS)
def pinned(session: nox.Session, django: str) -> None:
    """Run the tests that a new Python or Django breaks first."""
    session.install("-e", ".", *GROUPS, f"django=={django}.*")
    session.run("pytest", *FAST, *PINS, *session.posargs)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """Test with the oldest Celery that is supported, and the kombu and asgiref of its time."""
    session.install(
        "-e", ".", *GROUPS, "django==5.2.*", "celery==5.4.0", "kombu==5.3.*", "asgiref==3.8.*"
    )
    session.run("pytest", *FAST, *PINS, "tests/publishing", "tests/worker", *session.posargs)
    session.run(
        "pytest",
        *(f"tests/integration/test_{name}" for name in ON_WORKERS),
        *("-n", "2"),
        *session.posargs,
        env={"DATABASE_URL": os.environ.get("POSTGRES_URL")},
    )


@nox.session(python="3.12")
def wheel(session: nox.Session) -> None:
    """Test the package as users install it, in a folder that does not have its source."""
    folder = Path(session.create_tmp())
    for name in ("dist", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
    session.run(
        "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), external=True
    )
    (built,) = (folder / "dist").glob("*.whl")
    session.install(str(built), *GROUPS, "django==5.2.*")
    for name in ("pyproject.toml", "CONTRIBUTING.md"):
        shutil.copy(name, folder / name)
    shutil.copytree("tests", folder / "tests")
    session.chdir(folder)
    session.run(
        "python", "-c", "import deferred_signals as d; assert 'site-packages' in d.__file__"
    )
    session.run("pytest", *FAST, *PINS, "--ignore=tests/docs", *session.posargs)


@nox.session(python="3.11")
def mysqlclient(session: nox.Session) -> None:
    """Test durable delivery with the other driver for MariaDB, which has to be compiled."""
    if shutil.which("mariadb_config") is None and os.environ.get("CI") != "true":
        session.skip("mysqlclient needs Debian's libmariadb-dev, or its like.")
    groups = nox.project.dependency_groups(PROJECT, "test", "mysqlclient")
    session.install("-e", ".", *groups)
    session.run(
        "pytest",
        *(f"tests/outbox/test_{name}.py" for name in ON_MYSQLCLIENT),
        "tests/integration/test_durable_pools.py",
        *("-k", "outbox or recycled", "-n", "2"),
        *session.posargs,
        env={"DATABASE_URL": os.environ.get("MARIADB_URL")},
    )


@nox.session
@nox.parametrize("python,django", [("3.11", "5.2"), ("3.13", "6.1")])
def packages(session: nox.Session, django: str) -> None:
    """Test with receivers of other packages, which are apps of a project of its own."""
    groups = nox.project.dependency_groups(PROJECT, "test", "packages")
    session.install("-e", ".", *groups, f"django=={django}.*")
    session.run(
        "pytest",
        "tests/packages",
        *session.posargs,
        env={"DJANGO_SETTINGS_MODULE": "tests.packages.settings"},
    )


@nox.session(python="3.11")
@nox.parametrize("tracer", ["sentry", "opentelemetry", "datadog", "elastic"])
def traced(session: nox.Session, tracer: str) -> None:
    """Test with a tracer, which patches what it finds: in an environment of its own."""
    groups = nox.project.dependency_groups(PROJECT, "test", tracer)
    session.install("-e", ".", *groups)
    session.run("pytest", "tests/tracers", *session.posargs, env={"TRACER": tracer})
