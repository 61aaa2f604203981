"""The matrix: every Python, Django and Celery that the library supports."""

import os
import re
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
# all fast ones, and each other pair those that a new release breaks first: what pins private interfaces,
# and the properties. Django 6 wants Python 3.12.
PAIRS = [("3.12", "5.2"), ("3.12", "6.0"), ("3.12", "6.1"), ("3.13", "5.2"), ("3.13", "6.0")]
PINNING = set(re.findall(r"`(tests/[^`:]+\.py)::", Path("CONTRIBUTING.md").read_text()))
PINS = (*sorted(PINNING - {"tests/testing/test_plugin.py"}), "tests/property")

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


@nox.session(python="3.11")
@nox.parametrize("tracer", ["sentry", "opentelemetry", "datadog", "elastic"])
def traced(session: nox.Session, tracer: str) -> None:
    """Test with a tracer, which patches what it finds: in an environment of its own."""
    groups = nox.project.dependency_groups(PROJECT, "test", tracer)
    session.install("-e", ".", *groups)
    session.run("pytest", "tests/tracers", *session.posargs, env={"TRACER": tracer})
