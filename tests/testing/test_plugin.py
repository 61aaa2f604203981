"""The pytest plugin, in projects of their own, also beside other plugins."""

import sys

import pytest

from tests.testing.conftest import HEAD, Project

HEAD_WITHOUT_PYTEST = HEAD.replace("import pytest", "")

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

        @pytest.mark.deferred_signals(mode="live", leaks="fail")
        def test_live_with_options(): pass
        """
    )
    done.assert_outcomes(errors=4)
    told = done.stdout.str()
    assert told.count("The marker deferred_signals takes") >= 4
    assert "each by its name, got ('inline'): write mode='inline'." in told
    assert "got (mode='eager')" in told
    assert "got (mood='inline')" in told
    assert "'live' takes neither of those two, got (mode='live', leaks='fail')" in told


OUTSIDE = {
    "proj/outside.py": """
        from proj.settings import *

        CELERY_BROKER_URL = "redis://127.0.0.1:1/"  # nobody listens
        DEFERRED_SIGNALS = {"KEEP_FOR": 0}  # so a loss is told at once
        """
}

PUBLISHING = """
from django.db import transaction
from django.dispatch import receiver
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from deferred_signals import PublishError, events
from deferred_signals.testing import inline, live

lost = []

@receiver(events.publish_failed)
def note(messages, **kwargs):
    lost.extend(messages)

class RefusedTests(TransactionTestCase):
    def test_autocommit(self):
        with self.assertRaisesMessage(PublishError, "inline() or manual()"):
            order_placed.send(None, order_id=1)

    def test_commit(self):
        with self.assertRaisesMessage(PublishError, "live()"), transaction.atomic():
            order_placed.send(None, order_id=1)

class LiveTests(TransactionTestCase):
    @live()
    def test_sync(self):
        lost.clear()
        order_placed.send(None, order_id=1)
        self.assertEqual(len(lost), 1)

    @live()
    async def test_async(self):
        lost.clear()
        await order_placed.asend(None, order_id=1)
        self.assertEqual(len(lost), 1)

class NeverCommittedTests(TestCase):
    def test_nothing_is_refused(self):
        order_placed.send(None, order_id=1)

class NoDatabaseTests(SimpleTestCase):
    @inline()
    def test_receiver_runs(self):
        ran.clear()
        order_placed.send(None, order_id=3)
        self.assertEqual(ran, [3])
"""


def test_nothing_is_published_under_pytest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(OUTSIDE)
    project.configure("deferred_signals_leaks = off")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.outside")
    project.run(PUBLISHING).assert_outcomes(passed=6)


def test_nothing_is_published_under_pytest_xdist(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    project.write(OUTSIDE)
    project.configure("deferred_signals_leaks = off")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.outside")
    project.run(PUBLISHING, "-n", "2").assert_outcomes(passed=6)


@pytest.mark.parametrize("options", [(), ("--parallel", "2")])
def test_nothing_is_published_under_djangos_runner(
    options: tuple[str, ...],
    project: Project,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project.write(OUTSIDE)
    project.write({"tests/__init__.py": "", "tests/test_shop.py": HEAD_WITHOUT_PYTEST + PUBLISHING})
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.outside")
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))
    done = pytester.run(sys.executable, "-m", "django", "test", "tests", *options)
    assert done.ret == 0, done.stderr.str()
    assert "Ran 6 tests" in done.stderr.str()


def test_live_mode_is_named_by_marker_and_option(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write(OUTSIDE)
    project.configure("deferred_signals_mode = live")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "proj.outside")
    done = project.run(
        """
        from deferred_signals import events

        pytestmark = pytest.mark.django_db(transaction=True)

        @pytest.fixture
        def lost():
            found = []
            def note(messages, **kwargs):
                found.extend(messages)
            events.publish_failed.connect(note)
            yield found
            events.publish_failed.disconnect(note)

        def test_says_nothing(lost):
            order_placed.send(None, order_id=1)
            assert len(lost) == 1

        @pytest.mark.deferred_signals(mode="live")
        def test_says_so(lost):
            order_placed.send(None, order_id=1)
            assert len(lost) == 1

        @pytest.mark.deferred_signals(mode="live")
        def test_fixture_has_nothing_to_give(deferred_signals):
            assert deferred_signals is None

        @pytest.mark.deferred_signals(mode="manual", leaks="off")
        def test_says_otherwise(lost):
            order_placed.send(None, order_id=1)
            assert lost == []
        """
    )
    done.assert_outcomes(passed=4)


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
