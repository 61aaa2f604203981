"""When the entries of the setting `DEFER` are put in force, and how long."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from django.apps.registry import Apps
from django.dispatch import Signal
from pytest_django import Settings

from deferred_signals.receivers import foreign, registry
from tests.support import other_package
from tests.support.by_settings import BySettings
from tests.support.callables import count, plain, service
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db

PLAIN = "tests.support.callables.plain"
HERE = f"{__name__}."


def test_wrapper_looks_like_djangos_method(by_settings: BySettings) -> None:
    djangos = Signal.connect
    by_settings({PLAIN: {}})
    wrapper = Signal.connect
    assert wrapper is not djangos
    assert (wrapper.__doc__, wrapper.__module__) == (djangos.__doc__, djangos.__module__)
    by_settings({PLAIN: {}})
    assert Signal.connect is wrapper


def test_settings_of_a_test_do_not_change_what_is_deferred(
    signal: Signal, by_settings: BySettings, settings: Settings
) -> None:
    by_settings({PLAIN: {}})
    settings.DEFERRED_SIGNALS = {"EAGER": True}
    signal.connect(plain)
    assert len(deferred(signal.send(None))) == 1


def test_entries_that_are_in_force_stay_when_the_app_is_made_again(
    signal: Signal, by_settings: BySettings
) -> None:
    by_settings({PLAIN: {"queue": "slow"}})
    by_settings({PLAIN: {"queue": "fast"}, "tests.support.callables.Service": {}})
    signal.connect(plain)
    signal.connect(service)
    assert registry.get(PLAIN).options.queue == "slow"
    assert registry.find("tests.support.callables.service") is not None


class Slow:
    """Lets two threads meet where a receiver was looked for, and is not registered yet."""

    barrier = threading.Barrier(2, timeout=0.3)

    def meet(self) -> None:
        with suppress(threading.BrokenBarrierError):
            self.barrier.wait()

    __doc__ = property(meet)  # it is asked for when a receiver is made

    def __call__(self, sender: object, **kwargs: object) -> None: ...


slow = Slow()


def test_threads_that_connect_one_function_make_one_receiver(by_settings: BySettings) -> None:
    Slow.barrier.reset()
    by_settings({f"{HERE}Slow": {}})
    signals = [Signal(), Signal()]
    threads = [threading.Thread(target=one.connect, args=[slow]) for one in signals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [count(one) for one in signals] == [1, 1]
    assert len(registry.get(f"{HERE}slow").connections) == 2


OURS, OTHER = "deferred_signals", "tests.support.other_package.Other"


@pytest.fixture
def connected_anew() -> Iterator[None]:
    """Let the other package be one that has not connected anything."""
    other_package.published.disconnect(other_package.make_redirect)
    yield
    other_package.published.disconnect(other_package.make_redirect)


@pytest.mark.usefixtures("connected_anew")
@pytest.mark.parametrize("installed", [(OURS, OTHER), (OTHER, OURS)], ids=["first", "last"])
def test_app_defers_wherever_it_is_listed(
    installed: tuple[str, ...], by_settings: BySettings, settings: Settings
) -> None:
    by_settings({})
    path = foreign.path_of(other_package.make_redirect)
    settings.DEFERRED_SIGNALS = {"DEFER": {path: {"queue": "slow"}}, "EAGR": True}
    Apps(installed)
    Apps(installed)  # as a test does that changes INSTALLED_APPS
    settings.DEFERRED_SIGNALS = {}
    (sent,) = deferred(other_package.published.send(None))
    assert sent.receiver == path
    assert registry.get(path).options.queue == "slow"


@pytest.mark.usefixtures("connected_anew")
@pytest.mark.parametrize("setting", [{}, {"DEFER": {}}, {"DEFER": ["a.b"]}, {"DEFER": {"a": 1}}, 3])
def test_app_without_entries_leaves_djangos_method_alone(
    setting: object, settings: Settings
) -> None:
    before = Signal.connect
    settings.DEFERRED_SIGNALS = setting
    Apps([OURS, OTHER])
    assert Signal.connect is before
    assert other_package.published.send(None) == [
        (other_package.make_redirect, "made here and now")
    ]


PROGRAM = """
import sys
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=sys.argv[1:],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFERRED_SIGNALS={"DEFER": {"django.contrib.auth.models.update_last_login": {"queue": "slow"}}},
)
django.setup()

from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in
from django.core.checks import run_checks
from deferred_signals.receivers import registry

(found,) = registry.all_receivers()
print(found.name, found.options.queue, found.connections[0].signal is user_logged_in)
print(*[item.id for item in run_checks(tags=["deferred_signals"]) if item.is_serious()])
print(user_logged_in.disconnect(dispatch_uid="update_last_login"), found.connections)
"""
DJANGOS = ("django.contrib.contenttypes", "django.contrib.auth")


@pytest.mark.parametrize("installed", [(OURS, *DJANGOS), (*DJANGOS, OURS)], ids=["first", "last"])
def test_process_that_starts_defers_a_receiver_of_django(installed: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *installed], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("django.contrib.auth.models.update_last_login slow True\n\nTrue []\n")
