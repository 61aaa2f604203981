"""The pages list what there is, and their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import BaseCommand
from django.dispatch import Signal

from deferred_signals import checks
from deferred_signals.management.commands import deferred_receivers
from deferred_signals.map import receiver_map
from deferred_signals.map.live import Live
from deferred_signals.map.plain import as_plain, live_as_plain
from deferred_signals.outbox import checks as outbox_checks
from deferred_signals.worker import installed
from tests.docs.consoles import text_of
from tests.docs.tables import first_cells
from tests.docs.test_blocks import PAGES, ROOT
from tests.support.connected import Connected

MAP = text_of("map.md")
#: All pages whose links are followed.
LINKING = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def test_every_system_check_is_on_its_page() -> None:
    assert first_cells(text_of("checks.md")) == ids_of_checks()


def test_every_system_check_is_named_where_the_checks_are_found() -> None:
    told = f"{checks.__doc__} {outbox_checks.__doc__}"
    assert set(re.findall(r"deferred_signals\.[EIW]\d{3}", told)) == ids_of_checks()


def ids_of_checks() -> set[str]:
    """Return the ids that the code gives to the messages of checks."""
    rooms = [Path(str(module.__file__)).parent for module in (checks, outbox_checks)]
    files = [Path(str(installed.__file__)), *(path for room in rooms for path in room.glob("*.py"))]
    sources = "".join(path.read_text(encoding="utf-8") for path in files)
    return {f"deferred_signals.{name}" for name in re.findall(r"[\".]([EIW]\d{3})\"", sources)}


def test_every_option_of_the_map_is_on_its_page() -> None:
    parser = deferred_receivers.Command().create_parser("manage.py", "deferred_receivers")
    common = BaseCommand().create_parser("manage.py", "x")
    own = {name for action in parser._actions for name in action.option_strings}  # noqa: SLF001
    others = {name for action in common._actions for name in action.option_strings}  # noqa: SLF001
    assert set(re.findall(r"`(--\w+)[^`]*`(?=[^|]* \|)", MAP.partition("\n## ")[0])) == own - others


def test_every_key_of_the_map_in_json_is_on_its_page(signal: Signal, defer: Connected) -> None:
    defer(signal, name="tests.docs.mapped")(lambda sender, **kwargs: None)
    found = as_plain(receiver_map())
    signals = [item for item in found["signals"] if item["signal"] == "tests.docs.mapped#0"]
    live = live_as_plain(Live(seconds=1, workers={}, queues=(), undecided=()))
    keys = {*signals[0], *signals[0]["receivers"][0], *live}
    assert keys == first_cells(MAP.partition("\n## For programs\n")[2])


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
