"""Receivers that are declared inside a test are forgotten at its end."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.dispatch import Signal

from deferred_signals import receiver
from deferred_signals.receivers import registry
from deferred_signals.testing import inline, manual
from tests.support.connected import deferred

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("mode", [inline, manual])
def test_receiver_inside_a_function_is_forgotten(mode: Any, signal: Signal) -> None:
    with mode():

        @receiver(signal, deferred=True, name="tests.within", aliases=["tests.earlier"], weak=False)
        def within(sender: object, **kwargs: Any) -> None: ...

        assert deferred(signal.send(None))
        assert "tests.within" in current_app.tasks
    assert signal.send(None) == []
    for name in ("tests.within", "tests.earlier"):
        assert registry.find(name) is None
        assert name not in current_app.tasks


def test_its_name_is_free_for_another_receiver_with_other_options(signal: Signal) -> None:
    for limit in ("1/m", "2/m"):
        with manual() as collected:

            @receiver(signal, deferred=True, name="tests.within", rate_limit=limit)
            def within(sender: object, **kwargs: Any) -> None: ...

            signal.send(None)
            assert current_app.tasks["tests.within"].rate_limit == limit
            assert [ran.outcome for ran in collected.run_deferred()] == ["succeeded"]
    with Celery("later", set_as_current=False) as later:
        later.finalize()  # warns of a name that is declared twice


def test_receiver_of_before_stays(signal: Signal) -> None:
    @receiver(signal, deferred=True, name="tests.before")
    def before(sender: object, **kwargs: Any) -> None: ...

    with manual():
        pass
    found = registry.find("tests.before")
    assert found is not None
    assert signal.disconnect(before)
    registry.discard(found)


def test_receiver_of_a_module_that_is_imported_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_receivers.py").write_text(
        "from django.dispatch import Signal\n"
        "from deferred_signals import receiver\n"
        "signal = Signal()\n"
        "@receiver(signal, deferred=True)\n"
        "def late(sender, **kwargs): ...\n"
    )
    with manual():
        module = importlib.import_module("late_receivers")
    found = registry.find("late_receivers.late")
    assert found is not None
    assert len(module.signal.send(None)) == 1
    module.signal.disconnect(module.late)
    registry.discard(found)
    del sys.modules["late_receivers"]
