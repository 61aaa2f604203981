"""Run the commands that a page shows, and compare what they write with what the page says."""

import gc
import re
import shlex
from io import StringIO

import pytest
from django.core.management import call_command

from tests.docs.test_blocks import ROOT

__all__ = ["compare", "text_of", "written"]

CONSOLE = re.compile(r"^```console\n\$ python manage\.py (.*)\n((?:(?!```).*\n)*)```", re.MULTILINE)


class Terminal(StringIO):
    """A terminal, whose width `COLUMNS` tells."""

    def isatty(self) -> bool:
        return True


def compare(page: str) -> None:
    """Compare each console of a page of the folder docs/."""
    # Ordinary receivers of other pages are held weakly, and some wait in circles for their collection.
    gc.collect()
    consoles = CONSOLE.findall(text_of(page))
    assert consoles
    for command, told in consoles:
        assert written(command) == without_lines(told), f"{command}\n{written(command)}"


def text_of(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def written(command: str) -> str:
    """Return what a command writes into a terminal of 80 columns; blocks of a page are modules of it."""
    out = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        call_command(*shlex.split(command), stdout=out)
    return without_lines(re.sub(r"docs/\w+\.md", "shop/receivers.py", out.getvalue()))


def without_lines(text: str) -> str:
    """Return a text without numbers of lines, which change with each edit."""
    return re.sub(r"\.py:\d+", ".py", text.replace("docs/shop/", "shop/"))
