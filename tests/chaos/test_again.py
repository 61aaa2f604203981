"""`AGAIN=1` does what failed anew, and keeps what the rest came to."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from . import __main__ as chaos

REPORT = """
<testsuites><testsuite>
<testcase classname="tests.integration.test_x" name="test_holds[redis]"/>
<testcase classname="tests.integration.test_x" name="test_breaks[redis]">{ending}</testcase>
</testsuite></testsuites>
"""

FAILURE = '<failure message="it broke"/>'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a part done, of which one test failed."""
    monkeypatch.setattr(chaos, "FOLDER", tmp_path)
    monkeypatch.setenv("AGAIN", "1")
    (tmp_path / "SQLite.xml").write_text(REPORT.format(ending=FAILURE))
    lines = ['{"test": "test_holds[redis]"}\n', '{"test": "test_breaks[redis]"}\n']
    (tmp_path / "SQLite.lines").write_text("".join(lines))
    return tmp_path


def names(report: Path) -> list[str | None]:
    root = ET.parse(report)  # noqa: S314 - written above
    return [case.get("name") for case in root.iter("testcase")]


def test_only_what_failed_is_left_to_do(folder: Path) -> None:
    rest = chaos.rest_of("SQLite")
    assert rest is not None
    assert rest.tests == ["tests/integration/test_x.py::test_breaks[redis]"]
    assert rest.lines == ['{"test": "test_holds[redis]"}\n']
    report = folder / "new.xml"
    report.write_text('<testsuite><testcase name="test_breaks[redis]"/></testsuite>')
    rest.add_to(report)
    assert names(report) == ["test_breaks[redis]", "test_holds[redis]"]


def test_part_of_which_nothing_failed_is_through(folder: Path) -> None:
    (folder / "SQLite.xml").write_text(REPORT.format(ending=""))
    rest = chaos.rest_of("SQLite")
    assert rest is not None
    assert rest.tests == []


def test_part_that_was_never_done_is_done_whole(folder: Path) -> None:
    (folder / "SQLite.xml").unlink()
    assert chaos.rest_of("SQLite") is None


def test_part_whose_pytest_failed_is_done_whole(folder: Path) -> None:
    (folder / "SQLite.xml").write_text(f'<testcase name="test_pytest_ends">{FAILURE}</testcase>')
    assert chaos.rest_of("SQLite") is None


def test_everything_is_done_where_it_was_not_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGAIN")
    assert chaos.rest_of("SQLite") is None
