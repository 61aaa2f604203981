"""The fixtures of the tests of the testing tools."""

import os
from textwrap import dedent

import pytest
from django.dispatch import Signal

from tests.support.connected import Connected
from tests.support.recorder import Recorder


@pytest.fixture
def recorder(signal: Signal, defer: Connected) -> Recorder:
    """Defer a recorder of the test's signal."""
    made = Recorder()
    defer(signal)(made)
    return made


#: Runs a test in a `TestCase`, and with real commits.
commits = pytest.mark.parametrize(
    "in_testcase",
    [
        pytest.param(True, id="TestCase"),
        pytest.param(False, id="commit", marks=pytest.mark.django_db(transaction=True)),
    ],
)

PROJECT = {
    "proj/__init__.py": "from proj.celery import app as celery_app",
    "proj/celery.py": """
        from celery import Celery

        app = Celery("proj")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
        """,
    "proj/settings.py": """
        SECRET_KEY = "only for tests"
        USE_TZ = True
        INSTALLED_APPS = ["deferred_signals", "shop"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        CELERY_BROKER_URL = "memory://"
        """,
    "shop/__init__.py": "",
    "shop/apps.py": """
        from importlib import import_module
        from django.apps import AppConfig

        class ShopConfig(AppConfig):
            name = "shop"

            def ready(self):
                import_module("shop.receivers")
        """,
    "shop/signals.py": """
        from django.dispatch import Signal

        order_placed = Signal()
        """,
    "shop/receivers.py": """
        from deferred_signals import receiver
        from shop.signals import order_placed

        ran = []

        @receiver(order_placed, deferred=True)
        def charge(sender, order_id, **kwargs):
            ran.append(order_id)
        """,
    "conftest.py": """
        import pytest
        from shop.receivers import ran

        @pytest.fixture(autouse=True)
        def nothing_ran_yet():
            ran.clear()
        """,
}

PLUGINS = ("-p", "django", "-p", "deferred_signals.testing.plugin")

HEAD = """
import pytest
from shop.receivers import charge, ran
from shop.signals import order_placed
"""


class Project:
    """A project of its own, whose tests run in a process of their own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.write(PROJECT)
        self.configure()

    def write(self, files: dict[str, str]) -> None:
        """Write files, by their paths."""
        for name, text in files.items():
            path = self._pytester.path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")

    def configure(self, *lines: str) -> None:
        """Write pytest's options."""
        usual = ["[pytest]", "strict = true", "pythonpath = .", "filterwarnings = error"]
        self.write({"pytest.ini": "\n".join([*usual, *lines])})

    def run(self, tests: str, *arguments: str) -> pytest.RunResult:
        """Run a module of tests."""
        self.write({"test_shop.py": HEAD + dedent(tests)})
        plugins = () if "PYTEST_DISABLE_PLUGIN_AUTOLOAD" not in os.environ else PLUGINS
        return self._pytester.runpytest_subprocess(*plugins, *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Write a small Django project with one deferred receiver."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.settings")
    # The other plugins that are installed take most of a small run's time.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(pytester)
