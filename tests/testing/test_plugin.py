"""The pytest plugin, in projects of their own and beside the plugins that they may have."""

import pytest

from tests.testing.conftest import Project

EVERYTHING = """
import unittest
from django.test import TestCase
from deferred_signals.testing import Collected, assert_deferred

pytestmark = pytest.mark.django_db

def test_fixture_collects(deferred_signals):
    order_placed.send(None, order_id=1)
    assert isinstance(deferred_signals, Collected)
    deferred_signals.assert_deferred(charge, order_id=1)
    deferred_signals.run_deferred()
    assert ran == [1]

@pytest.fixture
def order():
    order_placed.send(None, order_id=2)

@pytest.mark.deferred_signals
def test_marker_is_enough_and_begins_before_other_fixtures(order):
    assert_deferred(charge, order_id=2)

@pytest.mark.deferred_signals(mode="inline")
def test_marker_names_a_mode(order):
    assert ran == [2]

def test_fixture_can_be_asked_for_late(request):
    request.getfixturevalue("deferred_signals")
    order_placed.send(None, order_id=1)
    assert_deferred(charge, order_id=1)

@pytest.mark.deferred_signals(mode="inline")
def test_fixture_follows_the_marker(deferred_signals):
    order_placed.send(None, order_id=3)
    assert (deferred_signals, ran) == (None, [3])

@pytest.mark.deferred_signals(leaks="off")
def test_marker_has_the_options_of_the_mode(order):
    pass

@pytest.mark.deferred_signals
class TestGroup:
    @pytest.mark.parametrize("number", [1, 2])
    def test_marker_of_a_class(self, number):
        order_placed.send(None, order_id=number)
        assert_deferred(charge, order_id=number)

@pytest.mark.deferred_signals
class DjangoTests(TestCase):
    def test_something(self):
        order_placed.send(None, order_id=4)
        assert_deferred(charge, order_id=4)

    async def test_something_async(self):
        await order_placed.asend(None, order_id=5)
        assert_deferred(charge, order_id=5)

@pytest.mark.deferred_signals(mode="inline")
class AsyncTests(unittest.IsolatedAsyncioTestCase):
    async def test_something(self):
        await order_placed.asend(None, order_id=6)
        assert ran == [6]
"""


def test_plugin_is_found_and_works_beside_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    done = project.run(EVERYTHING, "-n", "1")
    done.assert_outcomes(passed=11)
    plugins = {"deferred_signals", "django", "xdist", "randomly", "celery"}
    assert plugins <= set(_plugins(done))


def _plugins(done: pytest.RunResult) -> list[str]:
    (line,) = (line for line in done.outlines if line.startswith("plugins: "))
    return [item.strip().rpartition("-")[0] for item in line.removeprefix("plugins: ").split(",")]


def test_option_gives_the_mode_of_tests_that_say_nothing(project: Project) -> None:
    project.configure("deferred_signals_mode = inline")
    done = project.run(
        """
        pytestmark = pytest.mark.django_db

        def test_says_nothing():
            order_placed.send(None, order_id=1)
            assert ran == [1]

        def test_asks_for_the_fixture(deferred_signals):
            order_placed.send(None, order_id=1)
            deferred_signals.assert_deferred(charge)

        @pytest.mark.deferred_signals(mode="manual", leaks="off")
        def test_says_otherwise():
            order_placed.send(None, order_id=1)
            assert ran == []

        def test_leaks_and_is_warned_of_it(deferred_signals):
            order_placed.send(None, order_id=1)
        """
    )
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["E * deferred_signals.testing.leaks.LeakWarning: 1 message was *"])


LEAKS = """
import unittest
from django.test import TestCase

pytestmark = pytest.mark.django_db

def test_collected_and_forgotten(deferred_signals):
    order_placed.send(None, order_id=1)

def test_waits_for_a_commit():
    order_placed.send(None, order_id=1)

class Tests(TestCase):
    def test_waits_for_a_commit(self):
        order_placed.send(None, order_id=1)

def test_looked_at(deferred_signals):
    order_placed.send(None, order_id=1)
    deferred_signals.assert_deferred(charge)

def test_fails_for_another_reason(deferred_signals):
    order_placed.send(None, order_id=1)
    raise LookupError("of its own")

class Others(unittest.TestCase):
    def test_sends_nothing(self):
        pass
"""


def test_leaks_fail_their_tests_where_that_is_asked_for(project: Project) -> None:
    project.configure("deferred_signals_leaks = fail")
    done = project.run(LEAKS)
    done.assert_outcomes(failed=4, passed=2)
    errors = [line for line in done.outlines if line.startswith("E ")]
    told = [line.partition("message was deferred ")[2] for line in errors]
    assert sum(line.startswith("and neither run nor looked at") for line in told) == 1
    assert sum(line.startswith("in the test's own transaction") for line in told) == 2


def test_wrong_option_is_refused(project: Project) -> None:
    project.configure("deferred_signals_leaks = no")
    done = project.run("def test_nothing(): pass")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    told = "deferred_signals_leaks must be one of 'warn', 'fail', 'off', got 'no'."
    assert told in done.stderr.str()


def test_wrong_marker_is_refused(project: Project) -> None:
    done = project.run(
        """
        @pytest.mark.deferred_signals("inline")
        def test_by_place(): pass

        @pytest.mark.deferred_signals(mode="eager")
        def test_by_name(): pass

        @pytest.mark.deferred_signals(mood="inline")
        def test_misspelt(): pass
        """
    )
    done.assert_outcomes(errors=3)
    assert done.stdout.str().count("The marker deferred_signals takes") >= 3


def test_plugin_does_nothing_in_a_project_without_django(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys
        import unittest

        def test_nothing_is_loaded():
            assert "deferred_signals.testing.plugin" in sys.modules
            for name in ("django", "celery", "kombu", "deferred_signals.conf"):
                assert name not in sys.modules

        class Tests(unittest.TestCase):
            def test_something(self):
                pass
        """
    )
    done = pytester.runpytest_subprocess("-p", "deferred_signals.testing.plugin")
    done.assert_outcomes(passed=2)


def test_plugin_can_be_left_out(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    pytester.makepyfile(
        """
        import sys

        def test_plugin_is_not_loaded():
            assert "deferred_signals.testing.plugin" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:deferred_signals").assert_outcomes(passed=1)
