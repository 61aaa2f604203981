"""`manage.py deferred_receivers` shows the map, writes it, and compares it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.dispatch import Signal
from django.test import override_settings
from pytest_django import Settings

from tests.support.callables import plain
from tests.support.celery_apps import MakeCurrent
from tests.support.connected import Connected

from .conftest import HOME

ROOT = Path(__file__).resolve().parents[2]


def receive(sender: object, **kwargs: object) -> None: ...


class Ran:
    """What the command has written."""

    def __init__(self, *arguments: str) -> None:
        out, self._err = StringIO(), StringIO()
        self.error = ""
        try:
            call_command("deferred_receivers", *arguments, stdout=out, stderr=self._err)
        except CommandError as error:
            self.error = str(error)
        self.out = out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


@pytest.fixture
def connected(placed: Signal, defer: Connected) -> None:
    """Connect a receiver of each kind to `placed`."""
    defer(placed, name="tests.map.deferred", queue="slow", chunk_size=7)(receive)
    placed.connect(plain)


@pytest.mark.usefixtures("connected")
def test_table_has_a_line_for_each_connection() -> None:
    ran = Ran("--signal", f"{HOME}.placed")
    head, *lines = ran.out.splitlines()[:3]
    assert head.split()[:4] == ["SIGNAL", "SENDER", "RECEIVER", "RUNS"]
    assert [line.split()[3:5] for line in lines] == [
        ["tests.map.deferred", "deferred"],
        ["tests.support.callables.plain", "sync"],
    ]
    assert lines[0].endswith("chunk_size=7")
    assert ran.error == ran.err == ""


def test_whole_map_has_the_signals_of_django_too() -> None:
    assert "django.db.close_old_connections" in Ran().out
    assert "django.db.close_old_connections" not in Ran("--project").out


@pytest.mark.usefixtures("connected")
def test_json_has_the_whole_map() -> None:
    found = json.loads(Ran("--json", "--signal", HOME).out)
    (signal,) = found.pop("signals")
    assert found == {"version": 1}
    deferred, sync = signal.pop("receivers")
    assert signal == {
        "signal": f"{HOME}.placed",
        "own": True,
        "app": None,
        "file": None,
        "line": None,
    }
    file = {"file": "tests/map/test_command.py", "line": receive.__code__.co_firstlineno}
    policy = {
        "on": ["Exception"],
        "give_up_on": [],
        "max_attempts": 3,
        "wait_initial": 1.0,
        "wait_max": 600.0,
        "wait_exp_base": 2.0,
        "wait_jitter": 1.0,
        "timeout": None,
    }
    assert deferred == {
        "receiver": "tests.map.deferred",
        "sender": None,
        "runs": "deferred",
        "own": True,
        "apps": [],
        "dispatch_uid": None,
        **file,
        "queue": "slow",
        "policy": None,
        "retry": policy,
        "durable": False,
        "options": {"chunk_size": 7, "queue": "slow"},
        "by_settings": False,
    }
    assert sync["receiver"] == "tests.support.callables.plain"
    assert "queue" not in sync


@pytest.mark.usefixtures("connected")
def test_mermaid_is_a_flowchart() -> None:
    lines = Ran("--mermaid", "--signal", HOME).out.splitlines()
    assert lines[0] == "flowchart LR"
    assert len([line for line in lines if line.startswith("  s1 -")]) == 2


@pytest.mark.usefixtures("connected")
def test_file_that_was_written_is_checked(tmp_path: Path, placed: Signal) -> None:
    file = tmp_path / "receivers of the shop.txt"
    selection = ("--signal", HOME, "--project")
    command = f"deferred_receivers --project --signal {HOME} --write '{file}'"
    assert (
        Ran(*selection, "--write", str(file)).out
        == f"{file} has the 2 connections that there are.\n"
    )
    written = file.read_text(encoding="utf-8")
    assert f"# Written by: python manage.py {command}\n" in written
    checked = Ran(*selection, "--check", str(file))
    assert (checked.error, checked.err) == ("", "")

    placed.disconnect(plain)
    checked = Ran(*selection, "--check", str(file))
    assert checked.out.startswith(f"--- {file}\n+++ {file}, written anew\n@@ ")
    assert "\n-    tests.support.callables.plain\n" in f"{checked.out}\n"
    assert f"write the file anew: python manage.py {command}" in checked.error
    assert file.read_text(encoding="utf-8") == written


@pytest.mark.parametrize("option", ["--check", "--write"])
def test_file_that_cannot_be_opened_is_an_error_that_says_how_to_write_it(
    option: str, tmp_path: Path
) -> None:
    ran = Ran(option, str(tmp_path / "nowhere" / "receivers.txt"))
    assert "No such file or directory" in ran.error
    assert "To write the file: python manage.py deferred_receivers --write" in ran.error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--signal", "post_svae"], "has 'post_svae' in it. Did you mean 'post_save'?"),
        (["--app", "nowhere"], "No app has the label 'nowhere'"),
        (["--live", "--mermaid"], "--live goes with the table or with --json"),
        (["--live", "--check", "receivers.txt"], "--live goes with the table"),
        (["--live", "0"], "--live takes a time in seconds above 0, got 0"),
        (["--live", "nan"], "--live takes a time in seconds above 0, got nan"),
        (["--deferred", "--sync"], "not allowed with"),
        (["--json", "--mermaid"], "not allowed with"),
    ],
)
def test_wrong_arguments_are_an_error(options: list[str], words: str) -> None:
    ran = Ran(*options)
    assert words in ran.error
    assert ran.out == ""


def test_wrong_settings_are_an_error_and_no_traceback(settings: Settings) -> None:
    settings.DEFERRED_SIGNALS = {"EAGR": True}
    assert "EAGR" in Ran().error


def test_views_are_imported_as_a_site_imports_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "urls_of_this_test.py").write_text(
        "from django.dispatch import Signal\n"
        "from tests.support.callables import plain\n"
        "viewed = Signal()\n"
        "viewed.connect(plain)\n"
        "urlpatterns = []\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with override_settings(ROOT_URLCONF="urls_of_this_test"):
        ran = Ran("--signal", "viewed")
    del sys.modules["urls_of_this_test"]
    assert " tests.support.callables.plain " in ran.out


def test_urls_that_cannot_be_loaded_are_told_and_hide_nothing_else() -> None:
    with override_settings(ROOT_URLCONF="nowhere.urls"):
        ran = Ran("--signal", "request_finished")
    assert "django.db.close_old_connections" in ran.out
    assert "The URLconf cannot be imported (ModuleNotFoundError: No module named" in ran.err


@pytest.mark.usefixtures("connected")
def test_no_answer_is_not_told_to_be_no_worker(make_current: MakeCurrent) -> None:
    make_current(broker_url="memory://")
    ran = Ran("--live", "0.1", "--signal", HOME)
    assert "Workers that answered within 0.1 s: none\n" in ran.out
    assert ran.out.endswith("\nslow   1          ?\n")
    assert "No worker answered within 0.1 s. That does not mean that there is none" in ran.error


@pytest.mark.usefixtures("connected")
def test_no_answer_is_in_the_json_too(make_current: MakeCurrent) -> None:
    make_current(broker_url="memory://")
    ran = Ran("--live", "0.1", "--signal", HOME, "--json")
    assert json.loads(ran.out)["live"] == {
        "seconds": 0.1,
        "workers": {},
        "queues": [{"queue": "slow", "receivers": ["tests.map.deferred"], "workers": []}],
        "undecided": [],
    }
    assert "No worker answered" in ran.error


def test_broker_that_is_away_is_an_error(broker_away: Callable[..., Any]) -> None:
    ran = Ran("--live", "0.1")
    assert "The broker cannot be asked for its workers (" in ran.error
    assert ran.out == ""


def test_program_ends_with_1_where_the_file_differs(tmp_path: Path) -> None:
    def run(option: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "django", "deferred_receivers", option, "receivers.txt"],
            cwd=tmp_path,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.project.settings",
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("--write").returncode == 0
    assert run("--check").returncode == 0
    file = tmp_path / "receivers.txt"
    file.write_text(file.read_text(encoding="utf-8").replace("close_old", "close_all"))
    ran = run("--check")
    assert ran.returncode == 1
    assert "\n-    django.db.close_all_connections" in ran.stdout
    assert ran.stderr.startswith("CommandError: The receivers are not those in receivers.txt.")
