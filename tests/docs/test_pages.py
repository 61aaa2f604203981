"""The pages list what there is, and their links lead somewhere."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from deferred_signals import Retry, checks, conf, events
from deferred_signals.outbox import checks as outbox_checks
from deferred_signals.receivers import options
from deferred_signals.worker import installed
from tests.docs.test_blocks import PAGES, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
#: All pages whose links are followed.
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def section(title: str) -> str:
    """Return the text under a heading of the README."""
    _, _, after = README.partition(f"\n## {title}\n")
    assert after
    return after.partition("\n## ")[0]


def first_cells(text: str) -> set[str]:
    """Return the names in the first cells of a section's tables."""
    cells = re.findall(r"^\| (`[^|]*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)}


def names_in(line_start: str, text: str) -> set[str]:
    """Return the names on the line that begins with a text, up to its full stop or semicolon."""
    found = re.search(rf"^{re.escape(line_start)}([^.;]*)", text, re.MULTILINE)
    assert found
    return set(re.findall(r"`(\w+)`", found[1]))


def test_every_option_is_in_the_table_of_options() -> None:
    text = section("Options")
    there = options.OPTIONS.keys() - set(options.names_at("outbox"))
    assert first_cells(text) == there


def test_options_that_are_not_available_are_named() -> None:
    named = names_in("Named, but not available in this version:", section("Options"))
    assert named == set(options.names_at("outbox"))


def test_every_setting_is_in_the_table_of_settings() -> None:
    assert first_cells(section("Settings")) == {field.name for field in fields(conf.Settings)}


def test_defaults_in_the_table_of_settings_are_those_in_force() -> None:
    defaults = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section("Settings"), re.MULTILINE))
    for field in fields(conf.Settings):
        value = getattr(conf.Settings(), field.name)
        match value:
            case bool() | int() | float() | None | Retry():
                expected = "`Retry()`" if value == Retry() else f"`{value!r}`"
            case frozenset() if value:
                expected = ", ".join(f"`{name}`" for name in sorted(value))
            case _:
                continue
        assert defaults[field.name] == expected


def test_every_field_of_retry_is_in_its_table() -> None:
    assert first_cells(section("Retries")) == {field.name for field in fields(Retry)}


def test_every_lifecycle_signal_is_in_its_table() -> None:
    assert first_cells(section("Lifecycle signals")) == set(events.__all__)


def test_every_system_check_is_on_its_page() -> None:
    assert first_cells((ROOT / "docs" / "checks.md").read_text(encoding="utf-8")) == ids_of_checks()


def test_every_system_check_is_named_where_the_checks_are_found() -> None:
    told = f"{checks.__doc__} {outbox_checks.__doc__}"
    assert set(re.findall(r"deferred_signals\.[EIW]\d{3}", told)) == ids_of_checks()


def ids_of_checks() -> set[str]:
    """Return the ids that the code gives to the messages of checks."""
    rooms = [Path(str(module.__file__)).parent for module in (checks, outbox_checks)]
    files = [Path(str(installed.__file__)), *(path for room in rooms for path in room.glob("*.py"))]
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    return {f"deferred_signals.{name}" for name in re.findall(r"[\".]([EIW]\d{3})\"", sources)}


def test_page_of_types_and_signals_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles: list[str] = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target
