"""Which processes uWSGI may fork, and what it calls at their end; `tests/integration/test_uwsgi.py` has uWSGI."""

import os
import sys
from types import ModuleType
from typing import Any

import pytest

from deferred_signals.support.uwsgi import call_at_end, may_fork


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stand for the module that uWSGI puts into each of its processes."""
    module: Any = ModuleType("uwsgi")
    module.worker_id = lambda: 0
    module.masterpid = os.getpid
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    return module


def test_process_without_uwsgi_is_forked_by_nobody_else() -> None:
    assert not may_fork()
    call_at_end(pytest.fail)


def test_master_of_uwsgi_is_forked(uwsgi: Any) -> None:
    assert may_fork()


def test_process_that_loads_before_the_fork_is_forked_where_there_is_no_master(uwsgi: Any) -> None:
    uwsgi.masterpid = lambda: 0
    assert may_fork()


def test_worker_of_uwsgi_is_not_forked(uwsgi: Any) -> None:
    uwsgi.worker_id = lambda: 2
    uwsgi.masterpid = os.getppid
    assert not may_fork()
    uwsgi.masterpid = lambda: 0  # the worker has loaded the application itself
    assert not may_fork()


def test_other_processes_of_uwsgi_are_not_forked(uwsgi: Any) -> None:
    uwsgi.masterpid = os.getppid  # a mule, a spooler
    assert not may_fork()


def test_hook_of_the_project_is_called_as_well(uwsgi: Any) -> None:
    called: list[str] = []
    uwsgi.atexit = lambda: called.append("the project's")
    call_at_end(lambda: called.append("ours"))
    uwsgi.atexit()
    assert called == ["ours", "the project's"]
