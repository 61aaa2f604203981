"""The packages give their public names when asked, and load nothing before."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import deferred_signals
import deferred_signals.testing

PACKAGES = [deferred_signals, deferred_signals.testing]
packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


def run(code: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("module", ["deferred_signals", "deferred_signals.testing"])
def test_import_of_a_package_loads_neither_django_nor_celery(module: str) -> None:
    loaded = run(
        f"import sys, {module}\n"
        "print(*[name for name in sys.modules if name.partition('.')[0]"
        " in {'django', 'celery', 'kombu', 'deferred_signals'}])"
    ).split()
    assert set(loaded) <= {
        "deferred_signals",
        "deferred_signals.support",
        "deferred_signals.support.lazy",
        "deferred_signals.testing",
    }


def test_declared_receiver_loads_neither_what_sends_nor_what_runs() -> None:
    loaded = run(
        "import sys\n"
        "from django.conf import settings\n"
        "from django.dispatch import Signal\n"
        "from deferred_signals import receiver\n"
        "settings.configure()\n"
        "@receiver(Signal(), deferred=True, name='tests.receive')\n"
        "def receive(sender, **kwargs): ...\n"
        "rooms = ('publishing.', 'running.', 'sending.', 'worker.')\n"
        "print(*[found for name in sys.modules"
        " if (found := name.removeprefix('deferred_signals.')).startswith(rooms)])"
    ).split()
    assert set(loaded) == {
        "sending.endings",
        "sending.undeferred",
        "worker.fixed",
        "worker.installed",
        "worker.tasks",
    }


def test_installed_library_loads_no_check_before_one_is_run() -> None:
    loaded = run(
        "import django, sys\n"
        "from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['deferred_signals'])\n"
        "django.setup()\n"
        "print(*[name for name in sys.modules"
        " if name.startswith(('deferred_signals.checks', 'deferred_signals.receivers.inspection'))])"
    ).split()
    assert loaded == ["deferred_signals.checks"]


def loaded_by(apps: str, then: str = "") -> set[str]:
    """Return the library's modules that a site with some apps has loaded."""
    return set(
        run(
            "import django, sys\n"
            "from django.conf import settings\n"
            f"settings.configure(INSTALLED_APPS={apps.split()})\n"
            "django.setup()\n"
            f"{then}\n"
            "print(*[name.removeprefix('deferred_signals.') for name in sys.modules"
            " if name.startswith('deferred_signals.')])"
        ).split()
    )


WITH_OUTBOX = "deferred_signals deferred_signals.outbox"


def test_installed_outbox_loads_neither_what_writes_rows_nor_what_runs_them() -> None:
    more = loaded_by(WITH_OUTBOX) - loaded_by("deferred_signals")
    assert {name for name in more if not name.startswith(("message", "support"))} == {
        "outbox",
        "outbox.apps",
        "outbox.checks",
        "outbox.models",
        "outbox.plugs",
        "publishing",
        "publishing.patterns",
        "publishing.stores",
        "sending.durable",
        "worker.rows",
    }


def test_site_that_sends_durable_messages_loads_nothing_of_what_runs_them() -> None:
    sends = "from deferred_signals.sending.durable import durable; durable()"
    more = loaded_by(WITH_OUTBOX, sends) - loaded_by(WITH_OUTBOX)
    of_the_outbox = {name for name in more if name.startswith("outbox.")}
    assert of_the_outbox == {f"outbox.{name}" for name in WRITES}
    assert not {name for name in more if name.startswith(("worker.", "running."))}


#: The modules of the outbox that write rows.
WRITES = ("at_commit", "dialects", "rows", "sending", "writing")


@packages
def test_every_public_name_is_there(package: ModuleType) -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))


def test_names_can_be_imported_with_a_star() -> None:
    assert run("from deferred_signals import *; print(Retry.__name__, receiver.__name__)") == (
        "Retry receiver\n"
    )


def test_lifecycle_signals_are_an_attribute_of_the_package() -> None:
    assert "Signal" in run("import deferred_signals as d; print(d.events.receiver_failed)")


@packages
def test_unknown_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module {package.__name__!r} has no attribute 'x'"):
        package.x  # noqa: B018


@packages
def test_stub_lists_each_public_name_once_on_a_line_that_both_python_and_type_checkers_read(
    package: ModuleType,
) -> None:
    assert package.__file__
    tree = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    listed = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            (alias,) = node.names
            assert (alias.asname, node.level) == (alias.name, 0)
            assert getattr(package, alias.name) is not None
            if node.module != package.__name__:
                listed.append(alias.name)
    assert sorted(listed) == package.__all__
